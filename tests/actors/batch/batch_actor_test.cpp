// A worker's voice towards dispatch over a real link, when it gets what it cannot read.
#include "actors/batch/batch_actor.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "messages/wire_kinds.hpp"

namespace troupe::actors::batch {
namespace {

using messages::Kind;

constexpr std::uint64_t kEpoch = 9;

// The frames that a front has heard, by kind.
class Heard {
 public:
  void add(Kind kind, std::string_view frame) {
    const std::lock_guard lock(mutex_);
    frames_[kind].emplace_back(frame);
    changed_.notify_all();
  }

  // The next one of this message's kind.
  template <class Message>
  Message next() {
    std::unique_lock lock(mutex_);
    std::vector<std::string>& frames = frames_[messages::kKindOf<Message>];
    BOOST_REQUIRE(
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return !frames.empty(); }));
    Message message;
    BOOST_REQUIRE(messages::decode(frames.front(), message).empty());
    frames.erase(frames.begin());
    return message;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Kind, std::vector<std::string>> frames_;
};

struct Fixture {
  Fixture() {
    config.add_message_types<caf::id_block::troupe>();
    config.set("scheduler.policy", caf::atom("sharing"));
    system = std::make_unique<caf::actor_system>(config);
    path = std::filesystem::temp_directory_path() / ("troupe-batch-" + std::to_string(getpid()));
    front = port({.name = "workers", .type = link::SocketType::kRouter, .bind = true}, [](bool) {});
    link::SocketRoutes hears;
    hears.raw = [this](std::string_view, std::string_view frame) {
      messages::Header header;
      messages::WireError error = messages::read_header(frame, header);
      if (error.empty()) heard.add(header.kind, frame);
      return error;
    };
    link::start_port(front, {hears});
    worker = port({.name = "front", .type = link::SocketType::kDealer, .identity = "w#1"},
                  [this](bool lost) {
                    if (!lost) dispatch_unreadable(stage, "damaged");
                  });
    stage = supervision::spawn_stage(
        *system,
        batch_stage({.sequences_max = 2, .step_tokens_max = 8, .kv_blocks = 8, .block_tokens = 32},
                    {.worker = "w", .generation = 1},
                    {.to_infer = {},
                     .to_dispatch = {worker, 0, 1},
                     .on_beat = [](std::size_t, std::size_t) {},
                     .on_joined = [] {},
                     .on_refused = [](const std::string&) {}}),
        std::make_shared<supervision::StageTable>());
    caf::anon_send(stage, caf::reset_atom_v, std::uint64_t{1});
    link::SocketRoutes routes;
    routes.handlers = {{Kind::kWorkerWelcome, link::deliver_to<messages::WorkerWelcome>(stage)},
                       {Kind::kWorkItem, deliver_work_to(stage)}};
    link::start_port(worker, {routes});
    heard.next<messages::WorkerHello>();
    send(messages::WorkerWelcome{.front_epoch = kEpoch});
    heard.next<messages::WorkerBeat>();  // it has joined
  }

  ~Fixture() {
    for (const caf::actor& actor : {stage, worker, front})
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    stage = worker = front = {};
    system.reset();
    std::filesystem::remove(path);
  }

  template <class OnRefusal>
  caf::actor port(link::SocketSpec spec, OnRefusal on_refusal) {
    spec.endpoint = "ipc://" + path.string();
    spec.numbered = true;
    return link::spawn_port(
        *system, {spec}, [=](const std::string&, std::string_view, const link::Refusal& what) {
          on_refusal(what.lost);
        });
  }

  template <class Message>
  void send(const Message& message) {
    link::Sender(front, 0, kEpoch).send_to("w#1", message);
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::filesystem::path path;
  Heard heard;
  caf::actor front;
  caf::actor worker;
  caf::actor stage;
};

BOOST_FIXTURE_TEST_SUITE(batch_shell, Fixture)

BOOST_AUTO_TEST_CASE(work_that_cannot_be_read_ends_as_an_error_and_gives_its_credit_back) {
  messages::WorkItem item{
      .front_epoch = kEpoch, .request_id = 5, .attempt = 3, .prompt_tokens = {1, 2}};
  item.sampling.stop.resize(20'000);  // more than a reader allows
  send(item);
  const auto frame = heard.next<messages::TokenFrame>();
  BOOST_TEST(frame.front_epoch == kEpoch);
  BOOST_TEST(frame.worker_generation == 1U);
  BOOST_REQUIRE(frame.events.size() == 1U);
  BOOST_TEST(frame.events[0].request_id == 5U);
  BOOST_TEST(frame.events[0].attempt == 3U);
  BOOST_TEST(frame.events[0].position == messages::kNoPosition);
  BOOST_CHECK(frame.events[0].finish == messages::FinishReason::kError);
  BOOST_TEST(frame.events[0].error.find("over its limit") != std::string::npos);
  const auto released = heard.next<messages::Released>();
  BOOST_REQUIRE(released.works.size() == 1U);
  BOOST_TEST(released.works[0].request_id == 5U);
  BOOST_TEST(released.works[0].attempt == 3U);
  BOOST_TEST(heard.next<messages::WorkerBeat>().running == 0U);  // and it has not started over
}

BOOST_AUTO_TEST_CASE(a_frame_that_is_nobodys_makes_the_worker_start_over_and_say_why) {
  std::string frame;
  messages::append_header(frame, {.kind = Kind::kWorkItem, .epoch = kEpoch});
  link::Sender(front, 0, kEpoch).send_frame("w#1", frame + "rubbish");
  const auto hello = heard.next<messages::WorkerHello>();
  BOOST_TEST(hello.beginning == 1U);
  BOOST_TEST(hello.unreadable == "damaged");
}

BOOST_AUTO_TEST_CASE(a_result_that_is_not_of_the_step_under_way_ends_the_stage) {
  caf::scoped_actor supervisor{*system};
  supervisor->send(stage, caf::reset_atom_v, std::uint64_t{2});
  caf::anon_send(stage, messages::BatchResult{.step = 2});
  std::string why;
  supervisor->receive([](caf::ok_atom, std::uint64_t, std::int64_t) {});
  supervisor->receive(
      [&](caf::close_atom, std::uint64_t, std::int64_t, const std::string& text) { why = text; });
  BOOST_TEST(why.find("was lost") != std::string::npos, why);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::batch

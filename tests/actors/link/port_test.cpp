// The port: frames between stages over real sockets, refusals, and endpoints that cannot be had.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <future>
#include <string>

#include "actors/link/port_actor.hpp"
#include "config/user_error.hpp"

namespace troupe::actors::link {
namespace {

using messages::Kind;

// What a test's stage received, or what a port refused: one value a future.
template <class Value>
struct Mailbox {
  std::promise<Value> promise;
  std::future<Value> future = promise.get_future();

  Value wait() {
    BOOST_REQUIRE(future.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    return future.get();
  }
};

struct Fixture {
  Fixture() {
    config.add_message_types<caf::id_block::troupe>();
    config.set("scheduler.policy", caf::atom("sharing"));
    system = std::make_unique<caf::actor_system>(config);
    folder = std::filesystem::temp_directory_path() / ("troupe-port-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
  }

  ~Fixture() {
    for (const caf::actor& actor : actors)
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    actors.clear();
    system.reset();
    std::filesystem::remove_all(folder);
  }

  caf::actor port(std::vector<SocketSpec> specs, std::shared_ptr<LinkFaults> faults = nullptr) {
    actors.push_back(spawn_port(
        *system,
        std::move(specs),
        [this](const std::string& socket, std::string_view, const Refusal& what) {
          if (what.lost) lost = true;
          if (!refused.exchange(true)) refusal.promise.set_value(socket + ": " + what.why);
        },
        std::move(faults)));
    return actors.back();
  }

  // A stage that fulfils a promise with the first request id it gets.
  caf::actor stage(Mailbox<std::uint64_t>& mailbox) {
    // Arguments, not captures: CAF 0.17.6 binds a null reference for a function without arguments
    // (init_fun_factory.hpp:85), and UBSan says so.
    const auto stage_of = [](caf::event_based_actor* self,
                             Mailbox<std::uint64_t>* to) -> caf::behavior {
      return {[to, self](const messages::CancelRequest& cancel) {
        to->promise.set_value(cancel.request_id);
        self->quit();
      }};
    };
    actors.push_back(system->spawn(stage_of, &mailbox));
    return actors.back();
  }

  std::string ipc() const { return "ipc://" + (folder / "link.ipc").string(); }

  // The ends of a link whose frames have numbers.
  SocketSpec numbered_router() const {
    return {.name = "workers",
            .type = SocketType::kRouter,
            .bind = true,
            .endpoint = ipc(),
            .numbered = true};
  }

  SocketSpec numbered_dealer() const {
    return {.name = "front",
            .type = SocketType::kDealer,
            .endpoint = ipc(),
            .identity = "w#1",
            .numbered = true};
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::filesystem::path folder;
  std::vector<caf::actor> actors;
  Mailbox<std::string> refusal;
  std::atomic<bool> refused{false};
  std::atomic<bool> lost{false};
};

SocketRoutes takes_cancels(const caf::actor& stage) {
  return {.handlers = {{Kind::kCancelRequest, deliver_to<messages::CancelRequest>(stage)}},
          .raw = {}};
}

BOOST_FIXTURE_TEST_SUITE(port, Fixture)

BOOST_AUTO_TEST_CASE(a_message_crosses_an_inproc_edge) {
  Mailbox<std::uint64_t> mailbox;
  const caf::actor both =
      port({{.name = "out", .type = SocketType::kPush, .endpoint = "inproc://edge"},
            {.name = "in", .type = SocketType::kPull, .bind = true, .endpoint = "inproc://edge"}});
  start_port(both, {{}, takes_cancels(stage(mailbox))});
  Sender(both, 0, 1).send(messages::CancelRequest{.request_id = 77});
  BOOST_TEST(mailbox.wait() == 77U);
}

BOOST_AUTO_TEST_CASE(what_was_sent_before_the_routes_came_is_not_lost) {
  Mailbox<std::uint64_t> mailbox;
  const caf::actor both =
      port({{.name = "out", .type = SocketType::kPush, .endpoint = "inproc://edge"},
            {.name = "in", .type = SocketType::kPull, .bind = true, .endpoint = "inproc://edge"}});
  Sender(both, 0, 1).send(messages::CancelRequest{.request_id = 78});
  start_port(both, {{}, takes_cancels(stage(mailbox))});
  BOOST_TEST(mailbox.wait() == 78U);
}

BOOST_AUTO_TEST_CASE(a_router_hears_who_spoke_and_answers_that_peer) {
  Mailbox<std::uint64_t> mailbox;
  const caf::actor front =
      port({{.name = "workers", .type = SocketType::kRouter, .bind = true, .endpoint = ipc()}});
  const caf::actor worker =
      port({{.name = "front", .type = SocketType::kDealer, .endpoint = ipc(), .identity = "w#1"}});
  const Sender to_worker(front, 0, 1);
  const auto answering = [](caf::event_based_actor*, Sender to_peer) -> caf::behavior {
    return {[to_peer](const std::string& peer, const messages::CancelRequest& cancel) {
      to_peer.send_to(peer, messages::CancelRequest{.request_id = cancel.request_id + 1});
    }};
  };
  actors.push_back(system->spawn(answering, to_worker));
  start_port(front,
             {{.handlers = {{Kind::kCancelRequest,
                             deliver_with_peer_to<messages::CancelRequest>(actors.back())}},
               .raw = {}}});
  start_port(worker, {takes_cancels(stage(mailbox))});
  Sender(worker, 0, 1).send(messages::CancelRequest{.request_id = 5});
  BOOST_TEST(mailbox.wait() == 6U);
}

BOOST_AUTO_TEST_CASE(a_frame_for_a_peer_that_is_gone_is_refused) {
  const caf::actor front =
      port({{.name = "workers", .type = SocketType::kRouter, .bind = true, .endpoint = ipc()}});
  start_port(front, {{}});
  Sender(front, 0, 1).send_to("nobody", messages::CancelRequest{});
  BOOST_TEST(refusal.wait() == "workers: the peer is gone");
  BOOST_TEST(lost);
}

BOOST_AUTO_TEST_CASE(a_numbered_link_says_that_it_has_lost_a_frame_and_takes_the_next_one) {
  Mailbox<std::uint64_t> mailbox;
  const auto faults = std::make_shared<LinkFaults>();
  faults->order("drop front out 1", {});
  const caf::actor front = port({numbered_router()});
  const caf::actor worker = port({numbered_dealer()}, faults);
  start_port(front, {takes_cancels(stage(mailbox))});
  start_port(worker, {{}});
  const Sender sender(worker, 0, 1);
  sender.send(messages::CancelRequest{.request_id = 4});
  sender.send(messages::CancelRequest{.request_id = 5});
  BOOST_TEST(mailbox.wait() == 5U);
  BOOST_TEST(!refused);  // nobody knows what the first one was to be
  faults->order("drop front out 1", {});
  sender.send(messages::CancelRequest{.request_id = 6});
  sender.send(messages::CancelRequest{.request_id = 7});
  BOOST_TEST(refusal.wait() == "workers: frames before this one were lost on the way");
}

BOOST_AUTO_TEST_CASE(a_worker_notices_that_it_has_lost_the_first_frame_of_a_front) {
  Mailbox<std::uint64_t> mailbox;
  const auto faults = std::make_shared<LinkFaults>();
  faults->order("drop workers out 1", {});
  const caf::actor front = port({numbered_router()}, faults);
  const caf::actor worker = port({numbered_dealer()});
  start_port(front, {takes_cancels(stage(mailbox))});
  start_port(worker, {{}});
  Sender(worker, 0, 1).send(messages::CancelRequest{.request_id = 4});
  BOOST_TEST(mailbox.wait() == 4U);  // the front knows the worker
  const Sender to_worker(front, 0, 1);
  to_worker.send_to("w#1", messages::CancelRequest{.request_id = 5});
  to_worker.send_to("w#1", messages::CancelRequest{.request_id = 6});
  BOOST_TEST(refusal.wait() == "front: frames before this one were lost on the way");
  BOOST_TEST(lost);
}

BOOST_AUTO_TEST_CASE(who_comes_under_the_name_of_another_shows_by_its_numbers) {
  Mailbox<std::uint64_t> mailbox;
  const caf::actor front = port({numbered_router()});
  start_port(front, {takes_cancels(stage(mailbox))});
  Sender(port({numbered_dealer()}), 0, 1).send(messages::CancelRequest{.request_id = 4});
  BOOST_TEST(mailbox.wait() == 4U);
  Sender(port({numbered_dealer()}), 0, 1).send(messages::CancelRequest{.request_id = 5});
  BOOST_TEST(refusal.wait() == "workers: frames before this one were lost on the way");
}

// A worker that was built when frames had no numbers: 1.0.
std::string old_hello() {
  std::string frame = messages::encode(messages::WorkerHello{.worker = "w"}, 1);
  frame[messages::kMinorAt] = 0;
  return frame;
}

BOOST_AUTO_TEST_CASE(a_worker_of_another_release_is_told_both_versions_in_its_own) {
  Mailbox<std::string> answer;
  const caf::actor front = port({{.name = "workers",
                                  .type = SocketType::kRouter,
                                  .bind = true,
                                  .endpoint = ipc(),
                                  .numbered = true}});
  const caf::actor worker =
      port({{.name = "front", .type = SocketType::kDealer, .endpoint = ipc(), .identity = "w#1"}});
  SocketRoutes routes;
  routes.answer_other_version = [](std::uint8_t minor) {
    return messages::encode(messages::WorkerWelcome{.refused = "not " + std::to_string(minor)}, 1);
  };
  SocketRoutes hears;
  hears.raw = [&answer](std::string_view, std::string_view frame) {
    answer.promise.set_value(std::string(frame));
    return messages::WireError{};
  };
  start_port(front, {routes});
  start_port(worker, {hears});
  Sender(worker, 0, 1).send_frame({}, old_hello());
  const std::string frame = answer.wait();
  BOOST_TEST(frame[messages::kMinorAt] == 0);
  messages::WorkerWelcome welcome;
  BOOST_TEST(messages::decode(frame, welcome) == "");  // and no number follows
  BOOST_TEST(welcome.refused == "not 0");
  BOOST_TEST(refusal.wait() ==
             "workers: the peer speaks version 1.0 of this link, this end 1.1: run the same "
             "release of troupe on both");
  BOOST_TEST(!lost);
}

BOOST_AUTO_TEST_CASE(what_a_test_delays_arrives_later) {
  Mailbox<std::uint64_t> mailbox;
  const auto faults = std::make_shared<LinkFaults>();
  faults->order("delay in in 30", std::chrono::steady_clock::now());
  const caf::actor both =
      port({{.name = "out", .type = SocketType::kPush, .endpoint = "inproc://edge"},
            {.name = "in", .type = SocketType::kPull, .bind = true, .endpoint = "inproc://edge"}},
           faults);
  start_port(both, {{}, takes_cancels(stage(mailbox))});
  Sender(both, 0, 1).send(messages::CancelRequest{.request_id = 77});
  BOOST_TEST(mailbox.wait() == 77U);
}

BOOST_AUTO_TEST_CASE(a_broken_frame_is_refused_and_the_next_one_is_taken) {
  Mailbox<std::uint64_t> mailbox;
  const caf::actor both =
      port({{.name = "out", .type = SocketType::kPush, .endpoint = "inproc://edge"},
            {.name = "in", .type = SocketType::kPull, .bind = true, .endpoint = "inproc://edge"}});
  start_port(both, {{}, takes_cancels(stage(mailbox))});
  const Sender sender(both, 0, 1);
  sender.send_frame({}, "rubbish");
  sender.send(messages::CancelRequest{.request_id = 79});
  BOOST_TEST(mailbox.wait() == 79U);
  BOOST_TEST(refusal.wait() == "in: the frame has 7 bytes, a header has 16");
  BOOST_TEST(!lost);  // to send it again would help nobody
}

BOOST_AUTO_TEST_CASE(a_kind_that_an_edge_does_not_carry_is_refused) {
  Mailbox<std::uint64_t> mailbox;
  const caf::actor both =
      port({{.name = "out", .type = SocketType::kPush, .endpoint = "inproc://edge"},
            {.name = "in", .type = SocketType::kPull, .bind = true, .endpoint = "inproc://edge"}});
  start_port(both, {{}, takes_cancels(stage(mailbox))});
  Sender(both, 0, 1).send(messages::CancelWork{});
  BOOST_TEST(refusal.wait() == "in: kind 68 is not taken here");
}

BOOST_AUTO_TEST_CASE(a_pool_takes_turns) {
  Mailbox<std::uint64_t> first;
  Mailbox<std::uint64_t> second;
  auto handler = deliver_in_turn<messages::CancelRequest>({stage(first), stage(second)});
  BOOST_TEST(handler({}, messages::encode(messages::CancelRequest{.request_id = 1}, 0)) == "");
  BOOST_TEST(handler({}, messages::encode(messages::CancelRequest{.request_id = 2}, 0)) == "");
  BOOST_TEST(first.wait() == 1U);
  BOOST_TEST(second.wait() == 2U);
}

BOOST_AUTO_TEST_CASE(an_endpoint_in_use_is_named_with_its_remedy) {
  port({{.name = "a", .type = SocketType::kPull, .bind = true, .endpoint = "tcp://127.0.0.1:*"}});
  const std::string taken = "inproc://twice";
  BOOST_CHECK_EXCEPTION(
      port({{.name = "a", .type = SocketType::kPull, .bind = true, .endpoint = taken},
            {.name = "b", .type = SocketType::kPull, .bind = true, .endpoint = taken}}),
      config::UserError,
      [](const config::UserError& error) {
        const std::string what = error.what();
        return what.find("link b: cannot listen on inproc://twice") == 0 &&
               what.find("choose another") != std::string::npos;
      });
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_is_none_is_named) {
  BOOST_CHECK_EXCEPTION(port({{.name = "a", .type = SocketType::kPush, .endpoint = "nonsense"}}),
                        config::UserError,
                        [](const config::UserError& error) {
                          return std::string(error.what()).find("correct the endpoint") !=
                                 std::string::npos;
                        });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::link

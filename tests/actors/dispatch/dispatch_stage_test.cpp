// The dispatch stage over its restarts: what a new incarnation folds from the ledger's file, and
// what it tells its neighbours. In CAF's testing scheduler, between ports that only take notes.
#include <boost/test/unit_test.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/dispatch/dispatch_actor.hpp"
#include "messages/type_ids.hpp"

namespace troupe::actors::dispatch {
namespace {

using messages::FinishReason;
using messages::Kind;
using std::chrono::seconds;

constexpr std::uint64_t kEpoch = 9;
constexpr std::uint64_t kToWorkers = 1;
constexpr std::uint64_t kToAggregate = 2;
const std::string kPeer = "a#1";

struct Sent {
  std::uint64_t socket = 0;
  std::string peer;
  std::string frame;

  Kind kind() const {
    messages::Header header;
    BOOST_REQUIRE(messages::read_header(frame, header).empty());
    return header.kind;
  }

  template <class Message>
  Message as() const {
    Message message;
    BOOST_REQUIRE_EQUAL(messages::decode(frame, message), "");
    return message;
  }
};

struct StageFixture {
  StageFixture() {
    config.add_message_types<caf::id_block::troupe>();
    config.set("scheduler.policy", caf::atom("testing"));
    system = std::make_unique<caf::actor_system>(config);
    scheduler = dynamic_cast<caf::scheduler::test_coordinator*>(&system->scheduler());
    const auto notes = [](caf::event_based_actor*, std::vector<Sent>* to) -> caf::behavior {
      return {[to](std::uint64_t socket, const std::string& peer, const std::string& frame) {
                to->push_back({socket, peer, frame});
              },
              [](const messages::NodeReadiness&) {}};
    };
    port = system->spawn(notes, &sent);
    supervision::StageSpec spec = dispatch_stage(
        {.front_epoch = kEpoch,
         .queued_max = 8,
         .context_max = 100,
         .vocabulary_hash = "v",
         .local_workers = 1},
        {.to_workers = {port, kToWorkers, kEpoch},
         .to_aggregate = {port, kToAggregate, kEpoch},
         .gateway = port,
         .report = [this](const messages::FrontStatus& status) { reported = status; },
         .on_steps = [](const std::string&, const std::vector<messages::StepRecord>&) {}},
        {.file = std::make_shared<LedgerFile>(std::as_writable_bytes(std::span(words)), 1 << 14),
         .restored = {},
         .ended = {},
         .ended_kept = seconds(30)},
        metrics);
    spec.before = [this](const caf::type_erased_tuple&, bool) {
      if (throws > 0 && throws-- > 0) throw std::runtime_error("on purpose");
    };
    stage = supervision::spawn_stage(
        *system, std::move(spec), std::make_shared<supervision::StageTable>());
    start();
    hello();
  }

  ~StageFixture() {
    for (const caf::actor& actor : {stage, port}) {
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    }
    stage = port = nullptr;
    scheduler->run();
    scheduler->trigger_timeouts();
    scheduler->run();
  }

  // As its supervisor does at each start.
  void start() {
    caf::anon_send(stage, caf::reset_atom_v, ++generation);
    scheduler->run();
  }

  template <class... Parts>
  void send(Parts&&... parts) {
    caf::anon_send(stage, std::forward<Parts>(parts)...);
    scheduler->run();
  }

  void hello() {
    send(kPeer,
         messages::WorkerHello{.worker = "a",
                               .generation = 1,
                               .numerics_id = "n",
                               .vocabulary_hash = "v",
                               .sequences_max = 4,
                               .context_max = 100});
  }

  static messages::TokenizedRequest request(std::uint64_t id) {
    return {.request_id = id, .prompt_tokens = {1, 2}, .sampling = {.max_tokens = 8}};
  }

  void token(std::uint64_t id, std::uint32_t position, std::uint32_t attempt) {
    messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 1};
    frame.events.push_back(
        {.request_id = id, .attempt = attempt, .position = position, .token = 5});
    send(kPeer, std::move(frame));
  }

  // A message throws: the incarnation ends, another one takes its place and handles it.
  template <class... Parts>
  void restart_at(Parts&&... parts) {
    throws = 1;
    send(std::forward<Parts>(parts)...);
    sent.clear();
    start();
  }

  template <class Message>
  std::vector<Message> all(std::uint64_t socket) const {
    std::vector<Message> found;
    for (const Sent& one : sent) {
      if (one.socket == socket && one.kind() == messages::kKindOf<Message>) {
        found.push_back(one.as<Message>());
      }
    }
    return found;
  }

  double metric(const std::string& name) const {
    const std::string page = metrics->expose();
    const auto at = page.find("\n" + name + " ");
    BOOST_REQUIRE(at != std::string::npos);
    return std::stod(page.substr(at + name.size() + 2));
  }

  void check_balance(double accepted, double cancelled) {
    send(caf::tick_atom_v);
    BOOST_TEST(metric("troupe_requests_conservation_error") == 0.0);
    BOOST_TEST(metric("troupe_requests_accepted_total") == accepted);
    BOOST_TEST(metric("troupe_requests_finished_total{reason=\"cancelled\"}") == cancelled);
    BOOST_TEST(metric("troupe_requests_finished_total{reason=\"error\"}") == 0.0);
    BOOST_TEST(static_cast<double>(reported.accepted) == accepted);
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  caf::scheduler::test_coordinator* scheduler = nullptr;
  std::vector<std::uint64_t> words = std::vector<std::uint64_t>(1 << 15);
  std::shared_ptr<observe::Metrics> metrics = std::make_shared<observe::Metrics>();
  std::vector<Sent> sent;
  messages::FrontStatus reported;
  caf::actor port;
  caf::actor stage;
  std::uint64_t generation = 0;
  int throws = 0;
};

BOOST_FIXTURE_TEST_SUITE(dispatch_stage, StageFixture)

BOOST_AUTO_TEST_CASE(a_new_incarnation_tells_aggregate_all_that_is_open_again) {
  send(request(1));
  send(request(2));
  token(1, 0, 1);
  token(1, 1, 1);
  restart_at(messages::CancelRequest{.request_id = 2});
  const auto plans = all<messages::ReplyPlan>(kToAggregate);
  BOOST_REQUIRE_EQUAL(plans.size(), 2U);
  BOOST_TEST(plans[0].request_id == 1U);
  const auto tokens = all<messages::JournaledTokens>(kToAggregate);
  BOOST_REQUIRE_EQUAL(tokens.size(), 1U);
  BOOST_TEST(tokens[0].events.size() == 2U);
  // The message that threw was handled after that.
  const auto failures = all<messages::Failure>(kToAggregate);
  BOOST_REQUIRE_EQUAL(failures.size(), 1U);
  BOOST_TEST(failures[0].request_id == 2U);
  check_balance(2, 1);
}

BOOST_AUTO_TEST_CASE(
    workers_are_asked_to_introduce_themselves_and_get_the_work_as_a_later_attempt) {
  send(request(1));
  token(1, 0, 1);
  restart_at(caf::tick_atom_v);
  const auto welcomes = all<messages::WorkerWelcome>(kToWorkers);
  BOOST_REQUIRE_EQUAL(welcomes.size(), 1U);
  BOOST_TEST(welcomes[0].introduce);
  BOOST_TEST(all<messages::WorkItem>(kToWorkers).empty());
  sent.clear();
  hello();
  const auto work = all<messages::WorkItem>(kToWorkers);
  BOOST_REQUIRE_EQUAL(work.size(), 1U);
  BOOST_TEST(work[0].attempt > 1U);
  BOOST_TEST(work[0].produced_tokens == std::vector<std::int32_t>{5},
             boost::test_tools::per_element());
  // In another admission than before: what the worker held is not valid.
  BOOST_TEST(all<messages::WorkerWelcome>(kToWorkers).at(0).admission == 2U);
  // A token of the attempt before says nothing.
  sent.clear();
  token(1, 1, 1);
  BOOST_TEST(all<messages::JournaledTokens>(kToAggregate).empty());
  token(1, 1, work[0].attempt);
  BOOST_TEST(all<messages::JournaledTokens>(kToAggregate).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_request_that_was_accepted_before_the_exception_is_not_accepted_twice) {
  send(request(1));
  send(request(1));  // as when handling it failed half-way
  send(messages::CancelRequest{.request_id = 1});
  send(request(1));
  restart_at(request(1));
  BOOST_TEST(all<messages::ReplyPlan>(kToAggregate).empty());
  check_balance(1, 1);
}

BOOST_AUTO_TEST_CASE(a_failure_that_was_journalled_is_told_again) {
  send(request(1));
  send(messages::CancelRequest{.request_id = 1});
  restart_at(caf::tick_atom_v);
  const auto failures = all<messages::Failure>(kToAggregate);
  BOOST_REQUIRE_EQUAL(failures.size(), 1U);
  BOOST_TEST((failures[0].code == messages::FailureCode::kCancelled));
  check_balance(1, 1);
}

BOOST_AUTO_TEST_CASE(a_request_that_throws_twice_is_refused_and_the_next_ones_are_not) {
  throws = 2;
  send(request(1));
  start();  // it throws again
  sent.clear();
  start();
  const auto failures = all<messages::Failure>(kToAggregate);
  BOOST_REQUIRE_EQUAL(failures.size(), 1U);
  BOOST_TEST(failures[0].request_id == 1U);
  BOOST_TEST((failures[0].code == messages::FailureCode::kInternal));
  send(request(2));
  BOOST_TEST(all<messages::ReplyPlan>(kToAggregate).at(0).request_id == 2U);
  check_balance(1, 0);
}

BOOST_AUTO_TEST_CASE(tokens_that_throw_twice_end_their_requests_alone) {
  send(request(1));
  send(request(2));
  throws = 2;
  token(1, 0, 1);
  start();
  sent.clear();
  start();
  const auto failures = all<messages::Failure>(kToAggregate);
  BOOST_REQUIRE_EQUAL(failures.size(), 1U);
  BOOST_TEST(failures[0].request_id == 1U);
  BOOST_TEST((failures[0].code == messages::FailureCode::kInternal));
  hello();
  const auto work = all<messages::WorkItem>(kToWorkers);
  BOOST_REQUIRE_EQUAL(work.size(), 1U);
  BOOST_TEST(work[0].request_id == 2U);
}

BOOST_AUTO_TEST_CASE(a_replay_is_sent_when_aggregate_asks_for_it) {
  send(request(1));
  token(1, 0, 1);
  sent.clear();
  send(messages::ReplayRequest{});
  BOOST_TEST(all<messages::ReplyPlan>(kToAggregate).size() == 1U);
  BOOST_TEST(all<messages::JournaledTokens>(kToAggregate).at(0).events.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

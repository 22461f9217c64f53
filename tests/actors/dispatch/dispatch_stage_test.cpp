// The dispatch stage over its restarts: what a new incarnation folds from the ledger's file, and
// what it tells its neighbours.
#include "tests/actors/dispatch/stage_fixture.hpp"

namespace troupe::actors::dispatch {
namespace {

// One of the three answers of a call.
messages::TokenizedRequest answer(std::uint64_t id) {
  messages::TokenizedRequest one = StageFixture::request(id);
  one.call_first = 1;
  one.call_size = 3;
  return one;
}

messages::SiblingDown death(std::uint64_t worker_generation, std::uint64_t id) {
  return {.child = "a",
          .generation = worker_generation,
          .reason = "killed",
          .by_work = true,
          .in_step = {id}};
}

struct Fixture : StageFixture {
  // Aggregate was told of one failure, of this request.
  void check_failed(std::uint64_t id, messages::FailureCode code) {
    const auto failures = all<messages::Failure>(kToAggregate);
    BOOST_REQUIRE_EQUAL(failures.size(), 1U);
    BOOST_TEST(failures[0].request_id == id);
    BOOST_TEST((failures[0].code == code));
  }
};

struct RestoredFixture : StageFixture {
  // The first incarnation cannot be made at the first try.
  RestoredFixture()
      : StageFixture(
            {{.entry = {.request = {.request_id = 7, .prompt_tokens = {1}}}, .suspicion = {}}},
            "core") {}
};

BOOST_FIXTURE_TEST_SUITE(dispatch_stage, Fixture)

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

BOOST_AUTO_TEST_CASE(a_failure_that_was_journalled_and_not_told_is_told) {
  send(request(1));
  sent.clear();
  throw_at("journal", messages::CancelRequest{.request_id = 1});
  check_failed(1, messages::FailureCode::kCancelled);
  check_balance(1, 1);
}

BOOST_AUTO_TEST_CASE(a_request_that_throws_twice_is_refused_and_the_next_ones_are_not) {
  throws = 2;
  send(request(1));
  start();  // it throws again
  sent.clear();
  start();
  check_failed(1, messages::FailureCode::kInternal);
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
  check_failed(1, messages::FailureCode::kInternal);
  hello();
  const auto work = all<messages::WorkItem>(kToWorkers);
  BOOST_REQUIRE_EQUAL(work.size(), 1U);
  BOOST_TEST(work[0].request_id == 2U);
}

BOOST_AUTO_TEST_CASE(an_exception_within_a_handler_costs_nobody_anything) {
  std::uint64_t id = 0;
  for (const char* where : {"core", "journal", "send"}) {
    BOOST_TEST_CONTEXT(where) {
      sent.clear();
      throw_at(where, request(++id));
      BOOST_TEST(all<messages::Failure>(kToAggregate).empty());
      BOOST_TEST(all<messages::ReplyPlan>(kToAggregate).back().request_id == id);
      hello();
      const std::uint32_t attempt = all<messages::WorkItem>(kToWorkers).back().attempt;
      throw_at(where, kPeer, frame_of(id, attempt));
      sent.clear();
      send(messages::ReplayRequest{});
      BOOST_TEST(all<messages::ReplyPlan>(kToAggregate).back().request_id == id);
      sent.clear();
      throw_at(where, messages::CancelRequest{.request_id = id});
      const auto failures = all<messages::Failure>(kToAggregate);
      BOOST_REQUIRE(!failures.empty());
      BOOST_TEST((failures.back().code == messages::FailureCode::kCancelled));
      check_balance(static_cast<double>(id), static_cast<double>(id));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_handled_twice_takes_one_place_of_its_call) {
  throw_at("core", answer(1));
  send(answer(2));
  send(answer(3));
  for (std::uint64_t id = 10; id < 15; ++id) send(request(id));  // the queue has eight places
  BOOST_TEST(all<messages::Failure>(kToAggregate).empty());
  check_balance(8, 0);
}

BOOST_AUTO_TEST_CASE(a_cancel_that_overtook_its_request_holds_though_the_request_throws) {
  send(messages::CancelRequest{.request_id = 1});
  throw_at("core", request(1));
  check_failed(1, messages::FailureCode::kCancelled);
  check_balance(1, 1);
}

BOOST_AUTO_TEST_CASE(a_refusal_that_is_handled_twice_counts_once) {
  for (std::uint64_t id = 1; id <= 12; ++id) send(request(id));  // four run, eight wait
  throw_at("core", request(20));
  send(caf::tick_atom_v);
  BOOST_TEST(reported.accepted == 12U);
  BOOST_TEST(reported.refused == 1U);
}

BOOST_AUTO_TEST_CASE(a_token_that_throws_by_its_content_ends_its_request_alone_and_no_incarnation) {
  send(request(1));
  send(request(2));
  messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 1};
  frame.events.push_back({.request_id = 1, .attempt = 1, .position = 0, .token = kPoison});
  frame.events.push_back({.request_id = 2, .attempt = 1, .position = 0, .token = 5});
  sent.clear();
  send(kPeer, frame);
  check_failed(1, messages::FailureCode::kInternal);
  BOOST_TEST(all<messages::Failure>(kToAggregate)[0].message.find("poison") != std::string::npos);
  BOOST_TEST(all<messages::JournaledTokens>(kToAggregate).at(0).events.at(0).request_id == 2U);
  send(caf::tick_atom_v);
  BOOST_TEST(metric("troupe_requests_finished_total{reason=\"error\"}") == 1.0);
}

BOOST_AUTO_TEST_CASE(a_death_whose_news_is_handled_twice_blames_once) {
  send(request(1));
  throw_at("journal", death(1, 1));
  BOOST_TEST(all<messages::Failure>(kToAggregate).empty());
  hello(2);
  send(death(2, 1));
  check_failed(1, messages::FailureCode::kQuarantined);
}

BOOST_AUTO_TEST_CASE(failures_of_long_ago_are_not_told_again) {
  send(request(1));
  send(messages::CancelRequest{.request_id = 1});
  restart_at(caf::tick_atom_v);
  BOOST_TEST(all<messages::Failure>(kToAggregate).empty());
  check_balance(1, 1);
}

BOOST_AUTO_TEST_CASE(a_replay_is_sent_when_aggregate_asks_for_it) {
  send(request(1));
  token(1, 0, 1);
  sent.clear();
  send(messages::ReplayRequest{});
  BOOST_TEST(all<messages::ReplyPlan>(kToAggregate).size() == 1U);
  BOOST_TEST(all<messages::JournaledTokens>(kToAggregate).at(0).events.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_first_incarnation_that_cannot_be_made_at_once_lacks_nothing,
                        RestoredFixture) {
  BOOST_TEST(place.empty());
  start();
  hello();
  BOOST_REQUIRE_EQUAL(all<messages::WorkItem>(kToWorkers).size(), 1U);
  BOOST_TEST(all<messages::WorkItem>(kToWorkers)[0].prompt_tokens.size() == 1U);
  check_balance(1, 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

// The dispatcher: admission, order, hand-over, and exactly one end for every accepted request.
#include <boost/test/unit_test.hpp>
#include <random>
#include <set>

#include "tests/actors/dispatch/dispatcher_fixture.hpp"

namespace troupe::actors::dispatch {
namespace {

using Fixture = DispatcherFixture;

BOOST_FIXTURE_TEST_SUITE(dispatcher, Fixture)

BOOST_AUTO_TEST_CASE(the_answers_of_one_call_are_accepted_together_or_refused_together) {
  request(1);  // the queue holds 3
  for (const std::uint64_t id : {10U, 11U, 12U}) {
    const Effects effects = answer(id, 10, 3);
    BOOST_REQUIRE(effects.refusals.size() == 1U);
    BOOST_TEST((effects.refusals[0].code == FailureCode::kOverload));
    BOOST_TEST(effects.refusals[0].message.find("3 answers") != std::string::npos);
  }
  BOOST_TEST(answer(20, 20, 2).plans.size() == 1U);
  BOOST_TEST(request(30).refusals.size() == 1U);  // the free place is the call's
  BOOST_TEST(answer(21, 20, 2).plans.size() == 1U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(the_salt_of_a_request_goes_to_the_worker) {
  worker("a", 1);
  BOOST_TEST(answer(1, 1, 1).work.at(0).second.cache_salt == "mine");
}

BOOST_AUTO_TEST_CASE(queued_requests_are_counted_by_priority) {
  request(1, 0);
  request(2, 9);
  request(3, 9);
  const auto queued = core.queued_by_priority();
  BOOST_TEST(queued[0] == 1U);
  BOOST_TEST(queued[5] == 0U);
  BOOST_TEST(queued[9] == 2U);
  worker("a", 1, 1);
  BOOST_TEST(core.queued_by_priority()[0] == 0U);  // it runs now
}

BOOST_AUTO_TEST_CASE(an_accepted_request_gets_its_plan_and_goes_to_a_worker_with_a_credit) {
  worker("a", 1);
  const Effects effects = request(1);
  BOOST_REQUIRE(effects.plans.size() == 1U);
  BOOST_TEST(effects.plans[0].stop == std::vector<std::string>{"x"});
  BOOST_REQUIRE(effects.work.size() == 1U);
  BOOST_TEST(effects.work[0].first == "a#1");
  BOOST_TEST(effects.work[0].second.attempt == 1U);
  BOOST_TEST(effects.work[0].second.front_epoch == kEpoch);
}

BOOST_AUTO_TEST_CASE(without_a_worker_requests_wait_and_go_out_when_one_says_hello) {
  BOOST_TEST(request(1).work.empty());
  BOOST_TEST(core.queued() == 1U);
  const Effects effects = worker("a", 1);
  BOOST_TEST(effects.work.size() == 1U);
  BOOST_TEST(effects.welcomes.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_full_queue_refuses_with_advice_when_to_retry) {
  for (std::uint64_t id = 1; id <= 3; ++id) request(id);
  const Effects effects = request(4);
  BOOST_REQUIRE(effects.refusals.size() == 1U);
  BOOST_CHECK(effects.refusals[0].code == FailureCode::kOverload);
  BOOST_TEST(effects.refusals[0].retry_after_ms >= 100U);
  BOOST_TEST(core.totals().accepted == 3U);
}

BOOST_AUTO_TEST_CASE(the_more_urgent_request_goes_first) {
  request(1, 5);
  request(2, 0);
  BOOST_TEST(worker("a", 1, 1).work[0].second.request_id == 2U);
}

BOOST_AUTO_TEST_CASE(a_request_that_waited_long_overtakes_more_urgent_newcomers) {
  request(1, 5);
  now += seconds(12);
  request(2, 0);
  BOOST_TEST(worker("a", 1, 1).work[0].second.request_id == 1U);
}

BOOST_AUTO_TEST_CASE(a_credit_returns_only_when_the_worker_releases_it) {
  worker("a", 1, 1);
  request(1);
  request(2);
  BOOST_TEST(token(1, 0, FinishReason::kStop).work.empty());
  BOOST_TEST(core.on_finished({.request_id = 1, .reason = FinishReason::kStop}, now).work.empty());
  const Effects effects = released(1);
  BOOST_REQUIRE(effects.work.size() == 1U);
  BOOST_TEST(effects.work[0].second.request_id == 2U);
}

BOOST_AUTO_TEST_CASE(an_end_that_the_worker_does_not_know_of_is_told_to_it) {
  worker("a", 1);
  request(1);
  token(1, 0);
  const Effects effects = core.on_finished({.request_id = 1, .reason = FinishReason::kStop}, now);
  BOOST_REQUIRE(effects.cancels.size() == 1U);
  BOOST_TEST(effects.cancels[0].second.request_id == 1U);
}

BOOST_AUTO_TEST_CASE(an_end_that_the_worker_proposed_needs_no_cancel) {
  worker("a", 1);
  request(1);
  token(1, 0, FinishReason::kLength);
  BOOST_TEST(
      core.on_finished({.request_id = 1, .reason = FinishReason::kLength}, now).cancels.empty());
}

BOOST_AUTO_TEST_CASE(an_answer_that_aggregate_gave_up_ends_as_failed_and_aggregate_hears_it_last) {
  worker("a", 1);
  request(1);
  token(1, 0);
  const Effects effects = core.on_finished({.request_id = 1, .reason = FinishReason::kError}, now);
  BOOST_REQUIRE(effects.failures.size() == 1U);
  BOOST_TEST((effects.failures[0].code == FailureCode::kInternal));
  BOOST_TEST(effects.cancels.size() == 1U);
  BOOST_TEST(core.totals().finished[kError] == 1U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(who_takes_a_dispatchers_place_goes_on_with_what_no_ledger_holds) {
  worker("a", 1);
  answer(1, 1, 3);
  core.on_cancel(9, now);
  down("b", 7);
  Handover handover = core.hand_over();
  BOOST_TEST(handover.peers == std::vector<std::string>{"a#1"}, boost::test_tools::per_element());
  BOOST_TEST(handover.open == std::vector<std::uint64_t>{1}, boost::test_tools::per_element());
  BOOST_TEST(handover.calls.reserved() == 2U);
  handover.totals.accepted -= 1;
  Dispatcher next{{.front_epoch = kEpoch, .queued_max = 4, .local_workers = 1}};
  next.take_over(handover);
  next.restore({.entry = {.request = {.request_id = 1}, .attempt = 5}, .suspicion = {}});
  BOOST_TEST(next.snapshot().conservation_error() == 0);
  BOOST_TEST(next.totals().accepted == 1U);
  BOOST_TEST(next.why_not_ready().find("b died") == 0U);
  // The cancel of request 9 overtook it.
  const Effects late = next.on_request({.request_id = 9, .prompt_tokens = {1}}, now);
  BOOST_REQUIRE(late.failures.size() == 1U);
  BOOST_TEST((late.failures[0].code == FailureCode::kCancelled));
}

BOOST_AUTO_TEST_CASE(what_is_broken_off_ends_with_an_error_and_its_worker_stops) {
  worker("a", 1);
  request(1);
  request(2);
  const Effects effects = core.break_off({1, 77}, "why", now);
  BOOST_REQUIRE(effects.failures.size() == 1U);
  BOOST_TEST(effects.failures[0].request_id == 1U);
  BOOST_TEST(effects.failures[0].message == "why");
  BOOST_TEST(effects.cancels.size() == 1U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(tokens_are_passed_on_once_and_in_order) {
  worker("a", 1);
  request(1);
  BOOST_TEST(token(1, 0).journaled.events.size() == 1U);
  BOOST_TEST(token(1, 0).journaled.events.empty());
  BOOST_TEST(core.totals().stale == 1U);
}

BOOST_AUTO_TEST_CASE(tokens_for_another_front_or_of_an_unknown_worker_are_dropped) {
  worker("a", 1);
  request(1);
  BOOST_TEST(token(1, 0, FinishReason::kNone, kEpoch - 1).journaled.events.empty());
  messages::TokenFrame frame{
      .front_epoch = kEpoch, .worker_generation = 1, .events = {{.request_id = 1}}};
  BOOST_TEST(core.on_tokens("b#1", frame, now).journaled.events.empty());
  BOOST_TEST(core.totals().stale == 2U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_holds_another_request_cannot_write_to_this_one) {
  worker("a", 1);
  worker("b", 1);
  request(1);  // to a
  messages::TokenFrame frame{.front_epoch = kEpoch,
                             .worker_generation = 1,
                             .events = {{.request_id = 1, .attempt = 1, .token = 4}}};
  BOOST_TEST(core.on_tokens("b#1", frame, now).journaled.events.empty());
}

BOOST_AUTO_TEST_CASE(
    suspects_run_one_at_a_time_and_the_one_that_crashes_alone_twice_is_quarantined) {
  worker("a", 1, 3);
  for (const std::uint64_t id : {1U, 2U, 3U}) request(id);
  down("a", 1, true, {1, 2, 3});
  const auto only = [&](const Effects& effects) {
    BOOST_REQUIRE(effects.work.size() == 1U);
    return effects.work[0].second;
  };
  const auto pass = [&](std::uint64_t generation, const messages::WorkItem& item) {
    const std::string peer = "a#" + std::to_string(generation);
    messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = generation};
    frame.events.push_back(
        {.request_id = item.request_id, .attempt = item.attempt, .position = 0, .token = 5});
    const Effects effects = core.on_tokens(peer, frame, now);
    BOOST_TEST(effects.journaled.events.size() == 1U);
    BOOST_TEST(effects.work.empty());
    return core.on_released(peer,
                            {.front_epoch = kEpoch,
                             .worker_generation = generation,
                             .works = {{item.request_id, item.attempt}}},
                            now);
  };
  messages::WorkItem item = only(worker("a", 2, 3));
  BOOST_TEST(item.request_id == 1U);
  BOOST_TEST(request(4).work.empty());  // nobody beside a suspect
  item = only(pass(2, item));
  BOOST_TEST(item.request_id == 2U);
  BOOST_TEST(down("a", 2, true, {2}).failures.empty());
  item = only(worker("a", 3, 3));
  BOOST_TEST(item.request_id == 2U);
  const Effects guilty = down("a", 3, true, {2});
  BOOST_REQUIRE(guilty.failures.size() == 1U);
  BOOST_TEST(guilty.failures[0].request_id == 2U);
  BOOST_CHECK(guilty.failures[0].code == FailureCode::kQuarantined);
  BOOST_TEST(core.totals().finished[kQuarantined] == 1U);
  item = only(worker("a", 4, 3));
  BOOST_TEST(item.request_id == 3U);
  // The last suspect goes on; the others join it.
  messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 4};
  frame.events.push_back({.request_id = 3, .attempt = item.attempt, .position = 0, .token = 5});
  BOOST_TEST(core.on_tokens("a#4", frame, now).work.size() == 2U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(a_cancel_of_a_running_request_reaches_its_worker) {
  worker("a", 1);
  request(1);
  const Effects effects = core.on_cancel(1, now);
  BOOST_TEST(effects.cancels.size() == 1U);
  BOOST_CHECK(effects.failures[0].code == FailureCode::kCancelled);
  BOOST_TEST(core.on_cancel(1, now).failures.empty());
}

BOOST_AUTO_TEST_CASE(a_cancel_of_a_queued_request_removes_it) {
  request(1);
  BOOST_TEST(core.on_cancel(1, now).cancels.empty());
  BOOST_TEST(worker("a", 1).work.empty());
}

BOOST_AUTO_TEST_CASE(a_cancel_that_overtakes_its_request_ends_it_when_it_comes) {
  worker("a", 1);
  BOOST_TEST(core.on_cancel(1, now).failures.empty());
  const Effects effects = request(1);
  BOOST_TEST(effects.plans.size() == 1U);
  BOOST_TEST(effects.work.empty());
  BOOST_CHECK(effects.failures.at(0).code == FailureCode::kCancelled);
  BOOST_TEST(core.queued() + core.running() == 0U);
}

BOOST_AUTO_TEST_CASE(a_worker_with_a_smaller_context_is_refused) {
  const Effects effects = core.on_hello(
      "a#1", {.worker = "a", .generation = 1, .vocabulary_hash = "v", .context_max = 99}, now);
  BOOST_TEST(effects.welcomes.at(0).second.refused.find("--context") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_worker_whose_answers_would_differ_is_refused) {
  worker("a", 1);
  const Effects effects = core.on_hello("b#1",
                                        {.worker = "b",
                                         .generation = 1,
                                         .numerics_id = "other",
                                         .vocabulary_hash = "v",
                                         .context_max = 100},
                                        now);
  BOOST_TEST(effects.welcomes.at(0).second.refused.find("other, here n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_longest_deadline_does_not_overflow) {
  worker("a", 1);
  request(1, 5, ~std::uint64_t{0});
  BOOST_TEST(core.on_tick(now).failures.empty());
}

BOOST_AUTO_TEST_CASE(a_passed_deadline_ends_the_request) {
  worker("a", 1);
  request(1, 5, 500);
  now += milliseconds(499);
  BOOST_TEST(core.on_tick(now).failures.empty());
  now += milliseconds(1);
  BOOST_CHECK(core.on_tick(now).failures.at(0).code == FailureCode::kDeadline);
}

BOOST_AUTO_TEST_CASE(a_queue_without_a_worker_ends_with_an_error_after_a_while) {
  worker("a", 1);
  core.on_tick(now);
  down("a", 1);
  request(1);
  BOOST_TEST(core.on_tick(now).failures.empty());
  BOOST_TEST(core.ready(now));
  now += seconds(5);
  BOOST_TEST(!core.ready(now));  // new requests are refused, accepted ones wait on
  BOOST_TEST(core.on_tick(now).failures.empty());
  now += seconds(116);
  BOOST_CHECK(core.on_tick(now).failures.at(0).code == FailureCode::kUnavailable);
}

BOOST_AUTO_TEST_CASE(each_beat_is_answered_and_a_stranger_is_to_introduce_itself) {
  BOOST_TEST(core.on_beat("a#1", {.worker_generation = 1}, now).welcomes.at(0).second.introduce);
  const auto admission = worker("a", 1).welcomes.at(0).second.admission;
  // The answer changes nothing, but without it nobody would know that what went before was lost.
  const auto answer = core.on_beat("a#1", {.worker_generation = 1}, now).welcomes.at(0).second;
  BOOST_TEST(!answer.introduce);
  BOOST_TEST(answer.admission == admission);
}

BOOST_AUTO_TEST_CASE(a_worker_with_another_vocabulary_is_refused) {
  const Effects effects =
      core.on_hello("a#1", {.worker = "a", .generation = 1, .vocabulary_hash = "other"}, now);
  BOOST_TEST(effects.welcomes.at(0).second.refused != "");
  BOOST_TEST(!core.ready(now));
}

BOOST_AUTO_TEST_CASE(in_any_order_of_events_every_accepted_request_ends_once_and_the_sum_holds) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 engine{seed};
    const auto random = [&engine] { return static_cast<std::uint32_t>(engine()); };
    Fixture f;
    std::set<std::uint64_t> accepted;
    std::set<std::uint64_t> ended;
    std::uint64_t generation = 1;
    std::uint64_t next_id = 1;
    const auto note = [&](const Effects& effects) {
      for (const auto& plan : effects.plans) BOOST_REQUIRE(accepted.insert(plan.request_id).second);
      for (const auto& failure : effects.failures)
        BOOST_REQUIRE(ended.insert(failure.request_id).second);
    };
    const auto finish = [&](std::uint64_t id) {
      const std::uint64_t before = f.core.totals().finished_sum();
      note(f.core.on_finished({.request_id = id, .reason = FinishReason::kStop}, f.now));
      if (f.core.totals().finished_sum() > before) BOOST_REQUIRE(ended.insert(id).second);
    };
    for (int step = 0; step < 300; ++step) {
      const std::uint64_t id = 1 + random() % next_id;
      f.now += milliseconds(random() % 200);
      switch (random() % 8) {
        case 0:
        case 1:
          note(f.request(next_id++, random() % 10, random() % 4 == 0 ? 800 : 0));
          break;
        case 2:
          note(f.core.on_cancel(id, f.now));
          break;
        case 3:
          note(f.worker("a", generation));
          break;
        case 4:
          note(f.down("a", generation++, random() % 2 == 0, {id}));
          break;
        case 5:
          note(f.token(id, random() % 3));
          break;
        case 6:
          finish(id);
          break;
        default:
          note(f.core.on_tick(f.now));
      }
      BOOST_REQUIRE(f.conserved());
    }
    for (std::uint64_t id = 1; id < next_id; ++id) note(f.core.on_cancel(id, f.now));
    BOOST_CHECK(accepted == ended);
  }
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_whole_is_not_too_late) {
  worker("a", 1);
  request(1, 5, 100);
  token(1, 0, FinishReason::kStop);
  now += milliseconds(200);
  BOOST_TEST(core.on_tick(now).failures.empty());
  core.on_finished({.request_id = 1, .reason = FinishReason::kStop}, now);
  BOOST_TEST(core.totals().finished[kStop] == 1U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

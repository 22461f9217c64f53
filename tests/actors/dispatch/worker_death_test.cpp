// What becomes of requests whose worker dies, hangs or loses frames, and who is blamed for it.
#include <boost/test/unit_test.hpp>

#include "tests/actors/dispatch/dispatcher_fixture.hpp"

namespace troupe::actors::dispatch {
namespace {

BOOST_FIXTURE_TEST_SUITE(worker_death, DispatcherFixture)

BOOST_AUTO_TEST_CASE(a_missing_token_fails_the_attempt_and_not_the_request) {
  worker("a", 1);
  request(1);
  const Effects effects = token(1, 1);
  BOOST_TEST(effects.failures.empty());
  BOOST_REQUIRE(effects.cancels.size() == 1U);
  BOOST_TEST(effects.cancels[0].second.attempt == 1U);
  BOOST_TEST(effects.work.empty());  // the worker still holds the attempt that failed
  const Effects again = released(1);
  BOOST_REQUIRE(again.work.size() == 1U);
  BOOST_TEST(again.work[0].second.attempt == 2U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_lets_go_of_an_answer_without_an_end_does_not_end_it) {
  worker("a", 1);
  request(1);
  const Effects effects = released(1);
  BOOST_REQUIRE(effects.work.size() == 1U);
  BOOST_TEST(effects.work[0].second.attempt == 2U);
}

BOOST_AUTO_TEST_CASE(a_token_that_contradicts_the_journal_is_dropped_and_counted) {
  worker("a", 1);
  request(1);
  token(1, 0);
  messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 1};
  frame.events.push_back({.request_id = 1, .attempt = 1, .position = 0, .token = 6});
  BOOST_TEST(core.on_tokens("a#1", frame, now).journaled.events.empty());
  BOOST_TEST(core.totals().conflicting == 1U);
}

BOOST_AUTO_TEST_CASE(what_a_dead_worker_held_goes_on_with_its_tokens_before_what_is_queued) {
  worker("a", 1, 1);
  request(1);
  request(2);
  token(1, 0);
  const Effects effects = down("a", 1);
  BOOST_TEST(effects.failures.empty());
  BOOST_TEST(effects.resumed == std::vector<std::uint64_t>{1});
  BOOST_TEST(core.queued() == 2U);
  const Effects back = worker("a", 2, 1);
  BOOST_REQUIRE(back.work.size() == 1U);
  BOOST_TEST(back.work[0].second.request_id == 1U);
  BOOST_TEST(back.work[0].second.attempt == 2U);
  BOOST_TEST(back.work[0].second.produced_tokens == std::vector<std::int32_t>{5});
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(what_a_dead_worker_held_moves_to_a_living_one_at_once) {
  worker("a", 1);
  worker("b", 1);
  request(1);
  const Effects effects = down("a", 1);
  BOOST_REQUIRE(effects.work.size() == 1U);
  BOOST_TEST(effects.work[0].first == "b#1");
}

BOOST_AUTO_TEST_CASE(late_tokens_of_the_attempt_before_are_dropped) {
  worker("a", 1);
  request(1);
  down("a", 1);
  worker("a", 2);
  BOOST_TEST(token(1, 0).journaled.events.empty());
  messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 2};
  frame.events.push_back({.request_id = 1, .attempt = 1, .position = 0, .token = 5});
  BOOST_TEST(core.on_tokens("a#2", frame, now).journaled.events.empty());
  frame.events[0].attempt = 2;
  BOOST_TEST(core.on_tokens("a#2", frame, now).journaled.events.size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_whose_last_token_is_journalled_is_not_computed_again) {
  worker("a", 1);
  request(1);
  token(1, 0, FinishReason::kStop);
  BOOST_TEST(down("a", 1).resumed.empty());
  BOOST_TEST(worker("a", 2).work.empty());
  core.on_finished({.request_id = 1, .reason = FinishReason::kStop}, now);
  BOOST_TEST(core.totals().finished[kStop] == 1U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(a_cancelled_request_is_not_resumed) {
  worker("a", 1);
  request(1);
  core.on_cancel(1, now);
  BOOST_TEST(down("a", 1).resumed.empty());
  BOOST_TEST(worker("a", 2).work.empty());
}

BOOST_AUTO_TEST_CASE(a_new_incarnation_that_says_hello_first_goes_on_with_what_the_old_one_held) {
  worker("a", 1);
  request(1);
  BOOST_TEST(worker("a", 2).work.size() == 1U);
  BOOST_TEST(down("a", 1).resumed.empty());  // late news
}

BOOST_AUTO_TEST_CASE(a_death_from_outside_makes_nobody_a_suspect) {
  worker("a", 1);
  request(1);
  request(2);
  down("a", 1, false, {1, 2});
  BOOST_TEST(worker("a", 2).work.size() == 2U);
}

BOOST_AUTO_TEST_CASE(only_what_was_in_the_step_is_suspected) {
  worker("a", 1);
  request(1);
  request(2);
  down("a", 1, true, {1});
  const Effects effects = worker("a", 2);
  BOOST_REQUIRE(effects.work.size() == 1U);
  BOOST_TEST(effects.work[0].second.request_id == 1U);
}

BOOST_AUTO_TEST_CASE(a_suspect_does_not_wait_for_a_long_answer_while_another_worker_is_idle) {
  worker("a", 1);
  worker("b", 1);
  request(1);  // goes to a, and is long
  request(2);
  BOOST_TEST(down("b", 1, true, {2}).work.empty());  // only a is left, and it is busy
  const Effects effects = worker("b", 2);
  BOOST_REQUIRE(effects.work.size() == 1U);
  BOOST_TEST(effects.work[0].first == "b#2");
  BOOST_TEST(effects.work[0].second.request_id == 2U);
}

BOOST_AUTO_TEST_CASE(a_suspect_on_trial_keeps_its_worker_to_itself_when_another_becomes_idle) {
  worker("a", 1);
  request(1);
  request(2);
  down("a", 1, true, {1, 2});
  BOOST_TEST(worker("b", 1, 3).work.size() == 1U);
  BOOST_TEST(worker("c", 1, 1).work.empty());  // one trial at a time
  const Effects effects = request(3);
  BOOST_REQUIRE(effects.work.size() == 1U);
  BOOST_TEST(effects.work[0].first == "c#1");
}

BOOST_AUTO_TEST_CASE(a_group_that_crashes_again_after_all_passed_alone_gets_half_the_batch) {
  worker("a", 1, 2);
  request(1);
  request(2);
  down("a", 1, true, {1, 2});
  const auto frame_of = [&](const messages::WorkItem& item) {
    messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 2};
    frame.events.push_back(
        {.request_id = item.request_id, .attempt = item.attempt, .position = 0, .token = 5});
    core.on_tokens("a#2", frame, now);
  };
  const auto pass = [&](const messages::WorkItem& item) {
    frame_of(item);
    return core.on_released(
        "a#2",
        {.front_epoch = kEpoch, .worker_generation = 2, .works = {{item.request_id, item.attempt}}},
        now);
  };
  const Effects second = pass(worker("a", 2, 2).work.at(0).second);
  frame_of(second.work.at(0).second);  // the last suspect goes on, and the other joins it
  down("a", 2, true, {1, 2});
  BOOST_TEST(worker("a", 3, 2).work.size() == 1U);
  now += seconds(61);
  BOOST_TEST(core.on_tick(now).failures.empty());
  BOOST_TEST(worker("a", 4, 2).work.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_death_that_is_told_twice_counts_once) {
  worker("a", 1);
  request(1);
  down("a", 1, true, {1});
  BOOST_TEST(core.suspicion(1).lone_crashes == 1U);
  BOOST_TEST(down("a", 1, true, {1}).failures.empty());
  BOOST_TEST(core.suspicion(1).lone_crashes == 1U);
  // Also to the next one, which knows it from the ledger's file.
  Dispatcher next{{.front_epoch = kEpoch, .queued_max = 3}};
  next.restore({.entry = {.request = {.request_id = 1}}, .suspicion = core.suspicion(1)});
  const messages::SiblingDown same{
      .child = "a", .generation = 1, .reason = "r", .by_work = true, .in_step = {1}};
  BOOST_TEST(next.on_worker_down(same, now).failures.empty());
  BOOST_TEST(next.suspicion(1).lone_crashes == 1U);
}

BOOST_AUTO_TEST_CASE(a_group_that_crashes_with_each_newcomer_gets_half_the_batch_when_it_is_full) {
  Suspects suspects;
  std::uint64_t death = 0;
  std::vector<InStep> group{{1, 0}};
  for (std::uint64_t newcomer = 2; newcomer <= 4; ++newcomer) {
    group.push_back({newcomer, 0});
    BOOST_TEST(suspects.on_death(group, group.size(), ++death).empty());
    BOOST_TEST(!suspects.batch_limit());
    for (InStep& one : group) {
      // Who has just passed is not tried again.
      BOOST_TEST(suspects.is_suspect(one.request_id) == (one.produced == 0));
      one.produced = 1;
      if (suspects.is_suspect(one.request_id)) suspects.acquit(one.request_id, 1);
    }
  }
  BOOST_TEST(suspects.on_death(group, group.size(), ++death).empty());
  BOOST_TEST(!suspects.any());
  BOOST_TEST(suspects.batch_limit().value_or(0) == 2U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_root_gives_up_ends_the_queue_with_its_reason) {
  worker("a", 1);
  request(1);
  const Effects effects = core.on_worker_down({.child = "a",
                                               .generation = 1,
                                               .reason = "10 crashes in 60 s",
                                               .by_work = true,
                                               .gone = true},
                                              now);
  BOOST_REQUIRE(effects.failures.size() == 1U);
  BOOST_CHECK(effects.failures[0].code == FailureCode::kUnavailable);
  BOOST_TEST(effects.failures[0].message.find("10 crashes") != std::string::npos);
  BOOST_TEST(!core.ready(now));
  BOOST_TEST(core.why_not_ready().find("10 crashes") != std::string::npos);
  worker("a", 2);
  BOOST_TEST(core.ready(now));
}

BOOST_AUTO_TEST_CASE(a_worker_that_dies_at_every_start_is_the_reason_why_nobody_is_served) {
  BOOST_TEST(core.why_not_ready().empty());
  down("a", 1, true);
  BOOST_TEST(!core.ready(now));
  BOOST_TEST(core.why_not_ready() ==
             "a died and is started again (killed by a signal): see restart.log");
  down("a", 2, true);
  worker("a", 3);
  BOOST_TEST(core.ready(now));
  BOOST_TEST(core.why_not_ready().empty());
}

BOOST_AUTO_TEST_CASE(late_news_of_a_death_says_nothing_of_the_next_incarnation) {
  worker("a", 2);
  core.on_worker_down({.child = "a", .generation = 1, .reason = "r", .gone = true}, now);
  now += seconds(4);
  core.on_tick(now);  // the second one falls silent
  BOOST_TEST(core.why_not_ready().empty());
}

BOOST_AUTO_TEST_CASE(a_suspect_stays_one_in_the_next_front) {
  core.restore({.entry = {.request = {.request_id = 7, .prompt_tokens = {1}}},
                .suspicion = {.suspect = true, .lone_crashes = 1}});
  worker("a", 1);
  BOOST_TEST(request(8).work.empty());  // nobody beside a suspect
  const Effects guilty = down("a", 1, true, {7});
  BOOST_REQUIRE(guilty.failures.size() == 1U);
  BOOST_CHECK(guilty.failures[0].code == FailureCode::kQuarantined);
}

BOOST_AUTO_TEST_CASE(a_new_front_knows_which_numerics_its_requests_began_with) {
  core.restore({.entry = {.request = {.request_id = 7, .prompt_tokens = {1}},
                          .produced = {5},
                          .numerics_id = "other"},
                .suspicion = {}});
  worker("a", 1);
  BOOST_TEST(token(7, 1).journaled.events.at(0).resumed_inexact);
}

BOOST_AUTO_TEST_CASE(an_answer_that_goes_on_under_another_numerics_id_says_so) {
  worker("a", 1);
  request(1);
  BOOST_TEST(!token(1, 0).journaled.events.at(0).resumed_inexact);
  down("a", 1);
  core.on_hello("a#2",
                {.worker = "a",
                 .generation = 2,
                 .numerics_id = "other",
                 .vocabulary_hash = "v",
                 .sequences_max = 1,
                 .context_max = 100},
                now);
  messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 2};
  frame.events.push_back({.request_id = 1, .attempt = 2, .position = 1, .token = 5});
  BOOST_TEST(core.on_tokens("a#2", frame, now).journaled.events.at(0).resumed_inexact);
}

BOOST_AUTO_TEST_CASE(a_worker_that_falls_silent_is_given_up_and_may_come_back) {
  const std::uint64_t admission = worker("a", 1).welcomes.at(0).second.admission;
  BOOST_TEST(worker("a", 1).welcomes.at(0).second.admission == admission);
  request(1);
  now += seconds(2);
  core.on_beat("a#1", {.worker_generation = 1}, now);
  now += seconds(3);
  BOOST_TEST(core.on_tick(now).resumed.empty());
  now += milliseconds(1);
  BOOST_TEST(core.on_tick(now).resumed == std::vector<std::uint64_t>{1});
  BOOST_TEST(core.on_beat("a#1", {.worker_generation = 1}, now).welcomes.at(0).second.introduce);
  // A hello that was on its way before comes from a worker that holds the old work.
  BOOST_TEST(worker("a", 1).welcomes.at(0).second.introduce);
  const Effects back = worker("a", 1);
  BOOST_TEST(!back.welcomes.at(0).second.introduce);
  // Should it have missed that it had to start over, this says so.
  BOOST_TEST(back.welcomes.at(0).second.admission != admission);
  BOOST_REQUIRE(back.work.size() == 1U);
  BOOST_TEST(back.work[0].second.attempt == 2U);
}

BOOST_AUTO_TEST_CASE(a_worker_whose_messages_were_lost_gets_no_more_and_starts_over) {
  worker("a", 1);
  request(1);
  core.on_unreachable("a#1", now);
  BOOST_TEST(request(2).work.empty());
  BOOST_TEST(core.on_tick(now).resumed.empty());  // its death may be told in a moment
  now += milliseconds(201);
  core.on_beat("a#1", {.worker_generation = 1}, now);  // that it lives is no news
  BOOST_TEST(core.on_tick(now).resumed == std::vector<std::uint64_t>{1});
  BOOST_TEST(core.on_beat("a#1", {.worker_generation = 1}, now).welcomes.at(0).second.introduce);
  BOOST_TEST(worker("a", 1).welcomes.at(0).second.introduce);
  BOOST_TEST(worker("a", 1).work.size() == 2U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(a_worker_that_started_over_by_itself_holds_nothing_and_gets_it_again) {
  const auto admission = worker("a", 1).welcomes.at(0).second.admission;
  request(1);
  token(1, 0);
  const Effects again = core.on_hello("a#1",
                                      {.worker = "a",
                                       .generation = 1,
                                       .numerics_id = "n",
                                       .vocabulary_hash = "v",
                                       .sequences_max = 2,
                                       .context_max = 100,
                                       .beginning = 1},
                                      now);
  BOOST_TEST(again.welcomes.at(0).second.admission != admission);
  BOOST_TEST(again.welcomes.at(0).second.beginning == 1U);
  BOOST_REQUIRE(again.work.size() == 1U);
  BOOST_TEST(again.work[0].second.attempt == 2U);
  BOOST_TEST(again.work[0].second.produced_tokens == std::vector<std::int32_t>{5});
  token(1, 1);  // of a step that was under way
  BOOST_TEST(core.totals().stale == 1U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(who_killed_an_unreachable_worker_is_blamed_for_it) {
  worker("a", 1);
  worker("b", 1, 1);
  request(1);
  core.on_unreachable("a#1", now);
  BOOST_TEST(down("a", 1, true, {1}).work.size() == 1U);
  BOOST_TEST(core.is_suspect(1));
}

BOOST_AUTO_TEST_CASE(a_worker_that_was_given_up_cannot_release_what_it_was_given_since) {
  worker("a", 1, 1);
  request(1);
  now += seconds(4);
  core.on_tick(now);
  worker("a", 1, 1);                                   // asks it to start over
  BOOST_REQUIRE(worker("a", 1, 1).work.size() == 1U);  // a hello from before: attempt 2 is given
  BOOST_TEST(released(1, 1).work.empty());             // said before it started over
  BOOST_REQUIRE(released(1, 2).work.size() == 1U);
  BOOST_TEST(core.ledger_entry(1)->attempt == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

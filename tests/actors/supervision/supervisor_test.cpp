// What the supervisor core does beyond OTP: back-off, readiness, generations, validation, isolation
// and draining, in virtual time.
#include "tests/actors/supervision/supervisor_stage.hpp"

using namespace troupe::tests;

namespace {

// The policy and the children of a node.
SupervisorPolicy node_policy() { return {.restarts_while_stopping = true}; }

std::vector<ChildSpec> worker_and_front() {
  return {{.name = "worker", .beyond = Beyond::kChildOnly},
          {.name = "front", .shutdown = {.drain = 30s}}};
}

Stage node(double chance = 0.999999) { return {worker_and_front(), node_policy(), chance}; }

Stage ready_node() {
  Stage stage = node();
  stage.all_ready();
  return stage;
}

// A node whose worker has a second to answer the known prompt.
Stage validating_node() {
  std::vector<ChildSpec> specs = worker_and_front();
  specs[0].validation = 1s;
  Stage stage(std::move(specs), node_policy());
  stage.ready("front");
  return stage;
}

std::vector<std::int64_t> waits_after_deaths(Stage& stage, int deaths) {
  std::vector<std::int64_t> waits;
  for (int i = 0; i < deaths; ++i) {
    stage.ready("worker");
    stage.ends("worker", kSegfault);
    waits.push_back(stage.wait().count());
  }
  return waits;
}

constexpr auto kEqual = boost::test_tools::per_element();

}  // namespace

BOOST_AUTO_TEST_SUITE(supervisor)

// --- Restarts and back-off ---

BOOST_AUTO_TEST_CASE(a_ready_child_that_was_killed_from_outside_restarts_at_once_without_end) {
  Stage stage = node();
  for (int i = 0; i < 1000; ++i) {
    stage.ready("worker");
    stage.ends("worker", kKilled);
    BOOST_REQUIRE(stage.words == "start:worker ");
  }
  BOOST_TEST(stage.child("worker").restarts == 1000U);
  BOOST_TEST(stage.core.failures_in_period(stage.child("worker"), stage.now) == 0U);
}

BOOST_AUTO_TEST_CASE(a_child_that_the_kernel_killed_for_memory_restarts_at_once_without_blame) {
  Stage stage = ready_node();
  stage.ends("worker", {EndKind::kOutOfMemory, SIGKILL});
  BOOST_TEST(stage.words == "start:worker ");
  BOOST_TEST(stage.core.failures_in_period(stage.child("worker"), stage.now) == 0U);
}

BOOST_AUTO_TEST_CASE(
    a_child_killed_before_it_was_ready_waits_the_first_backoff_which_does_not_grow) {
  Stage stage = node();
  for (int i = 0; i < 100; ++i) {
    stage.ends("worker", kKilled);
    BOOST_TEST(stage.words == "");
    BOOST_TEST(stage.wait().count() == 50);
    BOOST_REQUIRE(stage.words == "start:worker ");
  }
}

BOOST_AUTO_TEST_CASE(deaths_that_work_caused_back_off_doubling_from_50_ms_to_10_s) {
  Stage stage = node();
  // Chance 0.999999 keeps almost the whole of each.
  const std::vector<std::int64_t> expected{50, 99, 199, 399, 799, 1599, 3199, 6399, 9999};
  BOOST_TEST(waits_after_deaths(stage, 9) == expected, kEqual);
}

BOOST_AUTO_TEST_CASE(jitter_takes_at_most_half_and_never_goes_below_the_first_backoff) {
  Stage stage = node(0.0);
  const std::vector<std::int64_t> expected{50, 50, 100, 200, 400, 800, 1600, 3200, 5000};
  BOOST_TEST(waits_after_deaths(stage, 9) == expected, kEqual);
}

BOOST_AUTO_TEST_CASE(sixty_seconds_of_health_reset_the_backoff_and_less_do_not) {
  Stage stage = node();
  waits_after_deaths(stage, 4);
  stage.ready("worker");
  stage.pass(59'999ms);
  stage.ends("worker", kSegfault);
  BOOST_TEST(stage.wait().count() == 799);
  stage.ready("worker");
  stage.pass(60s);
  stage.ends("worker", kSegfault);
  BOOST_TEST(stage.wait().count() == 50);
}

BOOST_AUTO_TEST_CASE(a_worker_that_fails_at_every_start_is_given_up_and_the_others_stay) {
  Stage stage = node();
  stage.ready("front");
  for (int i = 0; i < 10; ++i) {
    stage.ends("worker", kFailed);
    stage.wait();
    BOOST_REQUIRE(stage.words == "start:worker ");
  }
  stage.ends("worker", kFailed);
  BOOST_TEST(stage.words == "give_up:worker ");
  BOOST_TEST(stage.child("worker").given_up);
  BOOST_TEST(stage.which() == "worker=undefined front=running");
  BOOST_TEST(!stage.core.stopping());
  BOOST_TEST(!stage.core.next_wakeup().has_value());
}

BOOST_AUTO_TEST_CASE(a_worker_that_was_given_up_can_be_started_by_order_with_a_clean_slate) {
  Stage stage = node();
  for (int i = 0; i < 10; ++i) {
    stage.ends("worker", kFailed);
    stage.wait();
  }
  stage.ends("worker", kFailed);
  BOOST_TEST((stage.restart("worker") == Reply::kOk));
  BOOST_TEST(stage.words == "start:worker ");
  stage.ends("worker", kFailed);
  BOOST_TEST(stage.wait().count() == 50);
}

BOOST_AUTO_TEST_CASE(a_worker_that_serves_between_its_failures_restarts_at_the_longest_backoff) {
  Stage stage = node();
  waits_after_deaths(stage, 10);
  for (int i = 0; i < 20; ++i) {
    stage.ready("worker");
    stage.ends("worker", kSegfault);
    BOOST_TEST(stage.words == "");
    BOOST_TEST(stage.wait().count() >= 9'999);
  }
}

BOOST_AUTO_TEST_CASE(a_front_beyond_its_intensity_ends_the_node) {
  Stage stage = node();
  stage.ready("worker");
  for (int i = 0; i < 10; ++i) {
    stage.ends("front", kFailed);
    stage.wait();
  }
  stage.ends("front", kFailed);
  BOOST_TEST(stage.words == "give_up:front term:worker ");
  stage.ends("worker", kNormal);
  BOOST_TEST(stage.words == "exit ");
  BOOST_TEST((stage.core.exit_reason() == ExitReason::kEscalated));
}

BOOST_AUTO_TEST_CASE(the_exit_code_of_misconfiguration_stops_the_node_at_once_even_later) {
  Stage stage = ready_node();
  stage.ends("worker", kMisconfigured);
  BOOST_TEST(stage.words == "give_up:worker drain:front ");
  stage.ends("front", kNormal);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(a_misconfigured_worker_is_given_up_alone_while_another_one_serves) {
  Stage stage({worker_and_front()[0], {.name = "other", .beyond = Beyond::kChildOnly}},
              node_policy());
  stage.all_ready();
  stage.ends("worker", kMisconfigured);
  BOOST_TEST(stage.words == "give_up:worker ");
  stage.ends("other", kMisconfigured);
  BOOST_TEST(stage.words == "give_up:other exit ");
}

BOOST_AUTO_TEST_CASE(a_child_that_the_system_cannot_start_is_tried_again_with_backoff) {
  Stage stage = node();
  stage.ends("worker", {EndKind::kNotStarted, EAGAIN});
  BOOST_TEST(stage.wait().count() == 50);
  BOOST_TEST(stage.words == "start:worker ");
}

// --- Generations and readiness ---

BOOST_AUTO_TEST_CASE(all_children_of_a_node_start_at_once_in_their_order) {
  const Stage stage = node();
  BOOST_TEST(stage.words == "start:worker start:front ");
  BOOST_TEST(stage.child("worker").generation == kBase + 1);
  BOOST_TEST(stage.child("front").generation == kBase + 2);
}

BOOST_AUTO_TEST_CASE(generations_grow_over_all_children) {
  Stage stage = node();
  std::uint64_t highest = kBase + 2;
  for (int i = 0; i < 10; ++i) {
    const char* name = i % 2 == 0 ? "worker" : "front";
    stage.ready(name);
    stage.ends(name, kKilled);
    BOOST_TEST(stage.child(name).generation == ++highest);
  }
}

BOOST_AUTO_TEST_CASE(news_of_an_earlier_incarnation_are_ignored) {
  Stage stage = ready_node();
  const ChildId id = stage.child("worker").id;
  const std::uint64_t old = stage.child("worker").generation;
  stage.ends("worker", kKilled);
  BOOST_TEST(stage.core.ready(id, old, stage.now).empty());
  BOOST_TEST(stage.core.terminated(id, old, kSegfault, stage.now).empty());
  BOOST_TEST(stage.core.isolate(id, old, EndKind::kHung, stage.now).empty());
  BOOST_TEST(stage.core.recycle(id, old, Fitness::kWornOut, stage.now).empty());
  BOOST_TEST((stage.child("worker").phase == Phase::kStarting));
}

BOOST_AUTO_TEST_CASE(a_child_gets_traffic_when_it_is_ready_and_the_time_it_was_gone_is_told) {
  Stage stage = ready_node();
  stage.ends("worker", kKilled);
  stage.pass(70ms);
  stage.ready("worker");
  BOOST_TEST(stage.words == "admit:worker ");
  BOOST_TEST(stage.reported(ReportEvent::kProgress)->downtime->count() == 70'000);
}

BOOST_AUTO_TEST_CASE(a_child_that_does_not_become_ready_in_its_time_is_killed_and_restarted) {
  std::vector<ChildSpec> specs = worker_and_front();
  specs[0].start_timeout = 5s;
  Stage stage(std::move(specs), node_policy());
  stage.pass(5s);
  BOOST_TEST(stage.words == "kill:worker ");
  stage.ends("worker", kKilled);
  BOOST_TEST((stage.reported(ReportEvent::kStartError)->end->kind == EndKind::kHung));
  BOOST_TEST(stage.wait().count() == 50);
}

// --- Detect, isolate, restore, validate ---

BOOST_AUTO_TEST_CASE(a_ready_worker_is_asked_the_known_prompt_before_it_gets_traffic) {
  Stage stage = validating_node();
  stage.ready("worker");
  BOOST_TEST(stage.words == "validate:worker ");
  BOOST_TEST(stage.which() == "worker=undefined front=running");
  const ChildState& worker = stage.child("worker");
  stage.clear();
  stage.take(stage.core.validated(worker.id, worker.generation, true, stage.now));
  BOOST_TEST(stage.words == "admit:worker ");
  BOOST_TEST(stage.which() == "worker=running front=running");
}

BOOST_AUTO_TEST_CASE(a_worker_that_answers_wrongly_is_killed_and_restarted_with_backoff) {
  Stage stage = validating_node();
  stage.ready("worker");
  const ChildState& worker = stage.child("worker");
  stage.clear();
  stage.take(stage.core.validated(worker.id, worker.generation, false, stage.now));
  BOOST_TEST(stage.words == "kill:worker ");
  stage.ends("worker", kKilled);
  BOOST_TEST((stage.reported(ReportEvent::kStartError)->end->kind == EndKind::kInvalid));
  BOOST_TEST(stage.wait().count() == 50);
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_answer_in_its_time_is_killed) {
  Stage stage = validating_node();
  stage.ready("worker");
  stage.pass(1s);
  BOOST_TEST(stage.words == "kill:worker ");
}

BOOST_AUTO_TEST_CASE(a_hung_child_is_isolated_killed_and_counted_as_a_failure_of_its_work) {
  Stage stage = ready_node();
  const ChildState& worker = stage.child("worker");
  stage.clear();
  stage.take(stage.core.isolate(worker.id, worker.generation, EndKind::kHung, stage.now));
  BOOST_TEST(stage.words == "kill:worker ");
  BOOST_TEST((worker.phase == Phase::kIsolated));
  BOOST_TEST(stage.core.isolate(worker.id, worker.generation, EndKind::kHung, stage.now).empty());
  stage.ends("worker", kKilled);
  BOOST_TEST((stage.reported(ReportEvent::kChildTerminated)->end->kind == EndKind::kHung));
  BOOST_TEST(stage.core.failures_in_period(worker, stage.now) == 1U);
  BOOST_TEST(stage.wait().count() == 50);
}

BOOST_AUTO_TEST_CASE(a_child_that_hangs_while_it_is_stopped_is_killed_then) {
  Stage stage = ready_node();
  stage.stop();
  const ChildState& front = stage.child("front");
  stage.clear();
  stage.take(stage.core.isolate(front.id, front.generation, EndKind::kHung, stage.now));
  BOOST_TEST(stage.words == "kill:front ");
  stage.ends("front", kKilled);
  BOOST_TEST(stage.reported(ReportEvent::kShutdownError)->child == "front");
  BOOST_TEST(stage.words == "term:worker ");
}

BOOST_AUTO_TEST_CASE(a_recycled_child_is_stopped_in_order_and_started_again_without_blame) {
  Stage stage = ready_node();
  const ChildState& front = stage.child("front");
  stage.clear();
  stage.take(stage.core.recycle(front.id, front.generation, Fitness::kWornOut, stage.now));
  BOOST_TEST(stage.words == "drain:front ");
  stage.ends("front", kNormal);
  BOOST_TEST(stage.words == "start:front ");
  BOOST_TEST(stage.reported(ReportEvent::kShutdown)->backoff->count() == 0);
  BOOST_TEST(stage.core.failures_in_period(front, stage.now) == 0U);
}

// --- Draining and stopping ---

BOOST_AUTO_TEST_CASE(a_child_that_serves_is_drained_then_asked_to_end_then_killed) {
  Stage stage = ready_node();
  stage.stop();
  BOOST_TEST(stage.words == "drain:front ");
  stage.pass(29'999ms);
  BOOST_TEST(stage.words == "");
  stage.pass(1ms);
  BOOST_TEST(stage.words == "term:front ");
  stage.pass(2s);
  BOOST_TEST(stage.words == "kill:front ");
  BOOST_TEST(stage.child("front").killed);
}

BOOST_AUTO_TEST_CASE(a_child_that_does_not_serve_yet_is_not_drained) {
  Stage stage = node();
  stage.stop();
  BOOST_TEST(stage.words == "term:front ");
}

BOOST_AUTO_TEST_CASE(a_child_that_is_stopping_is_not_restarted_however_it_ends) {
  Stage stage = ready_node();
  stage.stop();
  stage.ends("front", kSegfault);
  BOOST_TEST(stage.words == "term:worker ");
  stage.pass(1h);
  BOOST_TEST(stage.words == "kill:worker ");
}

BOOST_AUTO_TEST_CASE(a_worker_that_dies_while_the_front_drains_is_restarted_for_it) {
  Stage stage = ready_node();
  stage.stop();
  stage.ends("worker", kKilled);
  BOOST_TEST(stage.words == "start:worker ");
  stage.ready("worker");
  stage.ends("worker", kSegfault);
  BOOST_TEST(stage.wait().count() == 50);
  BOOST_TEST(stage.words == "start:worker ");
  stage.ends("front", kNormal);
  BOOST_TEST(stage.words == "term:worker ");
}

BOOST_AUTO_TEST_CASE(without_that_policy_nobody_is_restarted_while_the_supervisor_stops) {
  Stage stage({child_of("c1"), child_of("c2")}, otp(Strategy::kOneForOne));
  stage.all_ready();
  stage.stop();
  stage.ends("c1", kKilled);
  BOOST_TEST(stage.words == "");
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(a_worker_that_cannot_be_cured_does_not_end_a_drain) {
  Stage stage = ready_node();
  stage.stop();
  stage.ends("worker", kMisconfigured);
  BOOST_TEST(stage.words == "");
  stage.ends("front", kNormal);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(a_child_that_waits_for_its_restart_is_not_started_to_be_stopped) {
  Stage stage = ready_node();
  stage.ends("worker", kSegfault);
  stage.stop();
  stage.ends("front", kNormal);
  BOOST_TEST(stage.words == "exit ");
  BOOST_TEST(!stage.core.next_wakeup().has_value());
}

BOOST_AUTO_TEST_CASE(stopping_at_once_kills_everything_that_runs) {
  Stage stage = node();
  stage.stop();
  stage.clear();
  stage.take(stage.core.stop_now(stage.now));
  BOOST_TEST(stage.words == "kill:worker kill:front ");
  stage.ends("worker", kKilled);
  BOOST_TEST(stage.words == "");
  stage.ends("front", kKilled);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(stopping_twice_is_stopping_once) {
  Stage stage = node();
  stage.stop();
  stage.stop();
  BOOST_TEST(stage.actions.empty());
}

BOOST_AUTO_TEST_SUITE_END()

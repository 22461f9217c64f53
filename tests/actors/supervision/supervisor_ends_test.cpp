// How the supervisor core takes the ends of children: those that never become ready, in virtual
// time.
#include "tests/actors/supervision/supervisor_stage.hpp"

using namespace troupe::tests;

namespace {

Stage node() {
  return {{{.name = "worker", .beyond = Beyond::kChildOnly}, {.name = "front"}},
          SupervisorPolicy{}};
}

// Ends `name` at each of `starts` starts, ten seconds into it: six and their back-offs fill the
// period, so that the period alone never finds them too many.
void fail_slowly(Stage& stage, const char* name, int starts) {
  for (int i = 0; i < starts; ++i) {
    if (i != 0) stage.wait();
    stage.pass(10s);
    stage.ends(name, kFailed);
  }
}

// Recycles the worker, which has just become ready.
void recycle(Stage& stage, Fitness fitness) {
  stage.ready("worker");
  const ChildState& worker = stage.child("worker");
  stage.take(stage.core.recycle(worker.id, worker.generation, fitness, stage.now));
  stage.ends("worker", kNormal);
}

void isolate(Stage& stage) {
  const ChildState& worker = stage.child("worker");
  stage.take(stage.core.isolate(worker.id, worker.generation, EndKind::kHung, stage.now));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(supervisor_ends)

BOOST_AUTO_TEST_CASE(a_worker_whose_starts_take_ten_seconds_is_given_up_after_as_many_as_others) {
  Stage stage = node();
  stage.ready("front");
  fail_slowly(stage, "worker", 10);
  BOOST_TEST(stage.words == "");
  BOOST_TEST(!stage.child("worker").given_up);
  stage.wait();
  fail_slowly(stage, "worker", 1);
  BOOST_TEST(stage.words == "give_up:worker ");
  BOOST_TEST(!stage.core.stopping());
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_unfit_each_time_waits_longer_and_is_given_up_at_last) {
  Stage stage = node();
  stage.ready("front");
  Milliseconds before{0};
  for (int i = 0; i < 10; ++i) {
    recycle(stage, Fitness::kUnfit);
    BOOST_TEST(stage.words == "");
    const Milliseconds wait = stage.wait();
    BOOST_TEST((wait > before || wait >= 9s));
    before = wait;
  }
  recycle(stage, Fitness::kUnfit);
  BOOST_TEST(stage.words == "give_up:worker ");
  BOOST_TEST(stage.child("worker").given_up);
  BOOST_TEST(!stage.core.stopping());
}

BOOST_AUTO_TEST_CASE(
    a_worker_that_was_given_up_as_unfit_may_fail_as_often_when_it_is_started_by_hand) {
  Stage stage = node();
  stage.ready("front");
  for (int i = 0; i < 10; ++i) {
    recycle(stage, Fitness::kUnfit);
    stage.wait();
  }
  recycle(stage, Fitness::kUnfit);
  BOOST_TEST(stage.child("worker").given_up);
  BOOST_TEST((stage.restart("worker") == Reply::kOk));
  recycle(stage, Fitness::kUnfit);
  BOOST_TEST(!stage.child("worker").given_up);
}

BOOST_AUTO_TEST_CASE(a_worker_that_served_before_it_was_recycled_is_not_given_up) {
  Stage stage = node();
  stage.ready("front");
  for (int i = 0; i < 40; ++i) {
    recycle(stage, i % 10 == 9 ? Fitness::kWornOut : Fitness::kUnfit);
    if (stage.child("worker").phase == Phase::kWaiting) stage.wait();
  }
  BOOST_TEST(!stage.child("worker").given_up);
  for (int i = 0; i < 20; ++i) {
    recycle(stage, Fitness::kUnfit);
    stage.wait();
    stage.ready("worker");
    stage.ends("worker", kNormal);  // and so does one that ends in another way in between
    if (stage.child("worker").phase == Phase::kWaiting) stage.wait();
  }
  BOOST_TEST(!stage.child("worker").given_up);
}

BOOST_AUTO_TEST_CASE(a_front_whose_starts_take_ten_seconds_ends_the_node_after_as_many_as_others) {
  Stage stage = node();
  stage.ready("worker");
  fail_slowly(stage, "front", 10);
  BOOST_TEST(stage.words == "");
  stage.wait();
  fail_slowly(stage, "front", 1);
  BOOST_TEST(stage.words == "give_up:front term:worker ");
  BOOST_TEST((stage.core.exit_reason() == ExitReason::kEscalated));
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_ready_once_begins_to_count_its_failed_starts_anew) {
  Stage stage = node();
  fail_slowly(stage, "worker", 10);
  stage.wait();
  stage.ready("worker");
  stage.ends("worker", kKilled);
  fail_slowly(stage, "worker", 10);
  BOOST_TEST(!stage.child("worker").given_up);
}

BOOST_AUTO_TEST_CASE(a_hung_worker_that_ends_before_it_is_killed_is_told_by_its_true_end) {
  for (const Termination end : {kSegfault, kFailed}) {
    Stage stage = node();
    stage.all_ready();
    isolate(stage);
    stage.ends("worker", end);
    BOOST_TEST((stage.reported(ReportEvent::kChildTerminated)->end == end));
  }
}

BOOST_AUTO_TEST_CASE(a_kill_that_ends_a_hung_worker_is_told_as_the_hang) {
  const Termination unknown{EndKind::kUnknown, 0};
  const Termination by_kernel{EndKind::kOutOfMemory, SIGKILL};
  for (const Termination end : {kKilled, by_kernel, unknown}) {
    Stage stage = node();
    stage.all_ready();
    isolate(stage);
    stage.ends("worker", end);
    const Termination told{EndKind::kHung, SIGKILL};
    BOOST_TEST((stage.reported(ReportEvent::kChildTerminated)->end == told));
  }
}

BOOST_AUTO_TEST_SUITE_END()

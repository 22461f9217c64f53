// Silence and hanging are told apart by what a process did in it, in virtual time.
#include "actors/supervision/hang_detector.hpp"

#include <boost/test/unit_test.hpp>

#include "config/limits.hpp"

using namespace troupe::actors::supervision;
using namespace std::chrono_literals;
using troupe::config::kLookInterval;

namespace {

// A child that can be looked at, and how it gets on between two looks.
struct Child {
  // Looks every kLookInterval for `time`; true when it was found hanging, `after` this long.
  bool hangs_within(Milliseconds time) {
    after = 0ms;
    while (after < time) {
      now += kLookInterval;
      after += kLookInterval;
      if (beats) ++sample.loop;
      if (computes) ++sample.compute;
      process.cpu += cpu_each;
      if (detector.is_silent(sample, now) && detector.judge(process, now)) return true;
    }
    return false;
  }

  HangDetector detector;
  TimePoint now{1h};
  BeatSample sample{.loop = 1};
  ProcessSample process{.activity = Activity::kRuns};
  bool beats = true;
  bool computes = false;
  Milliseconds cpu_each{0};
  Milliseconds after{0};
};

Child computing(Milliseconds cpu_each) {
  Child child;
  child.sample.computing = true;
  child.computes = true;
  child.cpu_each = cpu_each;
  BOOST_REQUIRE(!child.hangs_within(2s));
  return child;
}

// One that has beaten and does so no more.
Child silent(Activity activity) {
  Child child;
  BOOST_REQUIRE(!child.hangs_within(1s));
  child.beats = false;
  child.process.activity = activity;
  return child;
}

// One that was just started: nothing of it beats.
Child starting() {
  Child child;
  child.sample = {.loop = 0};
  child.beats = false;
  child.cpu_each = 100ms;
  return child;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hang_detector)

BOOST_AUTO_TEST_CASE(a_child_that_beats_does_not_hang) {
  Child child;
  BOOST_TEST(!child.hangs_within(10min));
}

BOOST_AUTO_TEST_CASE(a_child_that_is_stopped_as_soon_as_it_runs_hangs_after_three_beats) {
  Child child = starting();
  child.process.activity = Activity::kStopped;
  BOOST_TEST(child.hangs_within(1min));
  BOOST_TEST((child.after >= 600ms && child.after <= 800ms));
}

BOOST_AUTO_TEST_CASE(a_child_that_is_stopped_while_it_loads_hangs_after_three_beats) {
  Child child = starting();
  child.computes = true;  // it packs, or answers the known prompt
  BOOST_TEST(!child.hangs_within(2min));
  child.computes = false;
  BOOST_TEST(!child.hangs_within(5s));
  child.process.activity = Activity::kStopped;
  child.cpu_each = 0ms;
  BOOST_TEST(child.hangs_within(1min));
  BOOST_TEST((child.after >= 500ms && child.after <= 700ms));
}

BOOST_AUTO_TEST_CASE(a_child_that_is_at_one_part_of_its_start_for_ever_hangs_after_a_minute_of_it) {
  Child child = starting();
  BOOST_TEST(!child.hangs_within(59s));
  BOOST_TEST(child.hangs_within(3s));
}

BOOST_AUTO_TEST_CASE(a_start_on_a_busy_machine_may_take_as_long_as_it_takes) {
  Child child = starting();
  child.cpu_each = 1ms;  // a hundredth of a processor
  BOOST_TEST(!child.hangs_within(30min));
}

BOOST_AUTO_TEST_CASE(a_child_that_starts_may_sleep_for_a_slow_file_system_as_long) {
  Child child = starting();
  child.process.activity = Activity::kSleeps;
  child.cpu_each = 10ms;  // between two looks it copies what it got
  BOOST_TEST(!child.hangs_within(30min));
  child.cpu_each = 0ms;
  BOOST_TEST(child.hangs_within(3s));
}

BOOST_AUTO_TEST_CASE(a_child_that_sleeps_through_its_start_hangs_after_a_minute) {
  Child child = starting();
  child.process.activity = Activity::kSleeps;
  child.cpu_each = 0ms;
  BOOST_TEST(!child.hangs_within(59s));
  BOOST_TEST(child.hangs_within(3s));
}

BOOST_AUTO_TEST_CASE(a_child_that_waits_for_another_one_to_pack_may_do_so_for_ever) {
  Child child = starting();
  child.sample.waits = true;
  child.process.activity = Activity::kSleeps;
  BOOST_TEST(!child.hangs_within(10min));
  child.sample.waits = false;
  ++child.sample.compute;  // as the end of its waiting does
  BOOST_TEST(!child.hangs_within(59s));
}

BOOST_AUTO_TEST_CASE(the_first_beat_ends_the_patience_of_a_start) {
  Child child = starting();
  BOOST_TEST(!child.hangs_within(30s));
  child.beats = true;
  BOOST_TEST(!child.hangs_within(1s));
  child.beats = false;
  child.process.activity = Activity::kSleeps;
  BOOST_TEST(child.hangs_within(1s));
}

BOOST_AUTO_TEST_CASE(a_stopped_child_hangs_after_three_silent_beats) {
  Child child = silent(Activity::kStopped);
  BOOST_TEST(child.hangs_within(1min));
  BOOST_TEST((child.after >= 600ms && child.after <= 700ms));
}

BOOST_AUTO_TEST_CASE(who_was_stopped_is_told_from_who_hangs_by_itself) {
  Child stopped = silent(Activity::kStopped);
  BOOST_TEST(stopped.hangs_within(1min));
  BOOST_TEST(stopped.detector.was_stopped());
  Child asleep = silent(Activity::kSleeps);
  BOOST_TEST(asleep.hangs_within(1min));
  BOOST_TEST(!asleep.detector.was_stopped());
}

BOOST_AUTO_TEST_CASE(a_child_under_a_debugger_is_left_alone) {
  Child child = computing(0ms);
  child.beats = child.computes = false;
  child.process.activity = Activity::kTraced;
  BOOST_TEST(!child.hangs_within(10min));
}

BOOST_AUTO_TEST_CASE(a_computation_that_uses_its_processor_without_getting_on_hangs) {
  Child child = computing(100ms);
  child.computes = false;  // the main actor still beats
  BOOST_TEST(child.hangs_within(1min));
  BOOST_TEST((child.after >= 600ms && child.after <= 700ms));
}

BOOST_AUTO_TEST_CASE(a_long_step_that_gets_on_is_a_slow_call) {
  Child child = computing(200ms);
  BOOST_TEST(!child.hangs_within(10min));
}

BOOST_AUTO_TEST_CASE(a_computation_without_a_processor_is_not_judged_until_it_had_one) {
  Child child = computing(1ms);  // a hundredth of a processor
  child.computes = child.beats = false;
  BOOST_TEST(!child.hangs_within(30s));
  child.computes = child.beats = true;
  BOOST_TEST(!child.hangs_within(1s));
}

BOOST_AUTO_TEST_CASE(an_operation_may_take_as_long_as_the_child_says) {
  Child child = computing(100ms);
  child.sample.patience = 5s;
  child.computes = false;
  BOOST_TEST(!child.hangs_within(4'900ms));
  BOOST_TEST(child.hangs_within(1min));
}

BOOST_AUTO_TEST_CASE(a_child_that_waits_for_the_disk_does_not_hang) {
  Child child = computing(0ms);
  child.computes = child.beats = false;
  BOOST_TEST(!child.hangs_within(10min));
}

BOOST_AUTO_TEST_CASE(a_child_all_of_whose_threads_sleep_hangs_after_three_beats) {
  Child child = silent(Activity::kSleeps);
  BOOST_TEST(child.hangs_within(1min));
  BOOST_TEST((child.after >= 600ms && child.after <= 800ms));
}

BOOST_AUTO_TEST_CASE(a_computation_all_of_whose_threads_sleep_hangs_though_the_main_actor_beats) {
  Child child = computing(0ms);
  child.computes = false;
  child.process.activity = Activity::kSleeps;
  BOOST_TEST(child.hangs_within(1min));
  BOOST_TEST((child.after >= 600ms && child.after <= 800ms));
}

BOOST_AUTO_TEST_CASE(a_worker_that_has_requests_and_begins_no_step_hangs_though_it_beats) {
  Child child;
  child.process.activity = Activity::kSleeps;
  child.sample.has_work = true;
  BOOST_TEST(child.hangs_within(1min));
  BOOST_TEST(child.after <= 1'200ms);
}

BOOST_AUTO_TEST_CASE(a_step_that_was_lost_on_a_busy_machine_is_found_by_the_beats_without_one) {
  Child child;
  child.sample.has_work = true;
  BOOST_TEST(child.hangs_within(1min));  // though a thread of it runs or wants to, at each look
  BOOST_TEST(child.after >= 25 * kLookInterval);
  BOOST_TEST(child.after <= 6s);
  child.process.activity = Activity::kTraced;
  BOOST_TEST(!child.hangs_within(1min));
}

BOOST_AUTO_TEST_CASE(a_worker_that_begins_steps_or_waits_for_a_processor_to_do_so_does_not_hang) {
  Child child;
  child.sample.has_work = true;
  child.beats = false;
  child.sample.loop += 3;
  BOOST_TEST(!child.hangs_within(10min));  // nothing of it got on
  child.beats = true;
  child.process.activity = Activity::kSleeps;
  for (int i = 0; i < 1'000; ++i) {
    ++child.sample.steps;
    BOOST_REQUIRE(!child.hangs_within(300ms));
  }
  child.sample.has_work = false;
  BOOST_TEST(!child.hangs_within(10min));
}

BOOST_AUTO_TEST_CASE(what_root_was_late_by_more_than_a_beat_to_see_is_held_against_nobody) {
  Child child = silent(Activity::kStopped);
  for (int i = 0; i < 100; ++i) {
    child.now += 201ms;
    BOOST_REQUIRE(!child.hangs_within(kLookInterval));
  }
}

BOOST_AUTO_TEST_CASE(a_root_that_was_stopped_itself_blames_nobody_for_what_it_did_not_see) {
  Child child = computing(100ms);
  child.now += 1min;
  child.computes = child.beats = false;
  BOOST_TEST(!child.hangs_within(500ms));
  child.computes = child.beats = true;
  BOOST_TEST(!child.hangs_within(1min));
}

BOOST_AUTO_TEST_SUITE_END()

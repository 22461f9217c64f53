// The supervisor core in virtual time: every rule of restarting and stopping, one sentence each.
#include "actors/supervision/supervisor.hpp"

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <random>

using namespace troupe::actors::supervision;
using namespace std::chrono_literals;

namespace {

constexpr Termination kSegfault{EndKind::kSignalled, SIGSEGV};
constexpr Termination kKilled{EndKind::kSignalled, SIGKILL};
constexpr Termination kLeft{EndKind::kExited, 0};
constexpr Termination kFailed{EndKind::kExited, 1};
constexpr Termination kMisconfigured{EndKind::kExited, kExitMisconfigured};

constexpr std::uint64_t kBase = 1000;

// A supervisor, its clock, and what it asked for.
struct Stage {
  explicit Stage(std::vector<ChildSpec> specs, double chance = 0.999999)
      : core(std::move(specs), {}, kBase, [chance] { return chance; }) {
    take(core.start(now));
  }

  void take(const Supervisor::Actions& more) {
    actions.insert(actions.end(), more.begin(), more.end());
  }

  std::uint64_t generation(std::size_t child) const { return core.children()[child].generation; }

  const ChildState& child(std::size_t index) const { return core.children()[index]; }

  void ready(std::size_t child) { core.ready(child, generation(child), now); }

  void ends(std::size_t child, Termination end) {
    actions.clear();
    take(core.terminated(child, generation(child), end, now));
  }

  void pass(Milliseconds time) {
    actions.clear();
    now += time;
    take(core.tick(now));
  }

  void stop() {
    actions.clear();
    take(core.stop(now));
  }

  // Passes the time until the child's restart is due; how long that was.
  Milliseconds wait_for_restart(std::size_t index) {
    BOOST_REQUIRE(child(index).restart_at.has_value());
    const auto wait = std::chrono::duration_cast<Milliseconds>(*child(index).restart_at - now);
    pass(wait);
    return wait;
  }

  bool did(ActionKind kind, std::size_t child) const {
    return std::ranges::any_of(actions, [&](const Action& action) {
      return action.kind == kind && action.child == child;
    });
  }

  TimePoint now{};
  Supervisor core;
  Supervisor::Actions actions;
};

std::vector<ChildSpec> worker_and_front() {
  return {{.name = "worker-0"}, {.name = "front", .shutdown_timeout = 30s}};
}

Stage one(RestartType type) { return Stage({{.name = "child", .restart = type}}); }

}  // namespace

BOOST_AUTO_TEST_SUITE(supervisor)

BOOST_AUTO_TEST_CASE(all_children_start_at_once_in_their_order) {
  const Stage stage(worker_and_front());
  const Supervisor::Actions expected{{ActionKind::kStart, 0, kBase + 1},
                                     {ActionKind::kStart, 1, kBase + 2}};
  BOOST_TEST((stage.actions == expected));
  BOOST_TEST(!stage.core.next_wakeup().has_value());
}

BOOST_AUTO_TEST_CASE(a_ready_child_that_was_killed_from_outside_restarts_at_once_without_end) {
  Stage stage(worker_and_front());
  for (int i = 0; i < 1000; ++i) {
    stage.ready(0);
    stage.ends(0, kKilled);
    BOOST_REQUIRE(stage.did(ActionKind::kStart, 0));
  }
  BOOST_TEST(stage.child(0).restarts == 1000U);
  BOOST_TEST(stage.core.failures_in_period(0, stage.now) == 0U);
}

BOOST_AUTO_TEST_CASE(
    a_child_killed_before_it_was_ready_waits_the_first_backoff_which_does_not_grow) {
  Stage stage(worker_and_front());
  for (int i = 0; i < 100; ++i) {
    stage.ends(0, kKilled);
    BOOST_TEST(stage.actions.empty());
    BOOST_TEST(stage.wait_for_restart(0).count() == 50);
    BOOST_REQUIRE(stage.did(ActionKind::kStart, 0));
  }
}

BOOST_AUTO_TEST_CASE(deaths_that_work_caused_back_off_doubling_from_50_ms_to_10_s) {
  Stage stage(worker_and_front());
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 9; ++i) {
    stage.ready(0);
    stage.ends(0, kSegfault);
    waits.push_back(stage.wait_for_restart(0).count());
  }
  // Chance 0.999999 keeps almost the whole of each.
  const std::vector<std::int64_t> expected{50, 99, 199, 399, 799, 1599, 3199, 6399, 9999};
  BOOST_TEST(waits == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(jitter_takes_at_most_half_and_never_goes_below_the_first_backoff) {
  Stage stage(worker_and_front(), 0.0);
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 9; ++i) {
    stage.ready(0);
    stage.ends(0, kSegfault);
    waits.push_back(stage.wait_for_restart(0).count());
  }
  const std::vector<std::int64_t> expected{50, 50, 100, 200, 400, 800, 1600, 3200, 5000};
  BOOST_TEST(waits == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(sixty_seconds_of_health_reset_the_backoff_and_less_do_not) {
  Stage stage(worker_and_front());
  for (int i = 0; i < 4; ++i) {
    stage.ends(0, kSegfault);
    stage.wait_for_restart(0);
  }
  stage.ready(0);
  stage.pass(59'999ms);
  stage.ends(0, kSegfault);
  BOOST_TEST(stage.wait_for_restart(0).count() == 799);
  stage.ready(0);
  stage.pass(60s);
  stage.ends(0, kSegfault);
  BOOST_TEST(stage.wait_for_restart(0).count() == 50);
}

BOOST_AUTO_TEST_CASE(the_death_of_one_child_leaves_the_others_alone) {
  Stage stage(worker_and_front());
  stage.ready(0);
  stage.ready(1);
  stage.ends(0, kKilled);
  BOOST_TEST(stage.actions.size() == 1U);
  BOOST_TEST((stage.child(1).phase == Phase::kReady));
}

BOOST_AUTO_TEST_CASE(generations_grow_over_all_children) {
  Stage stage(worker_and_front());
  std::uint64_t highest = kBase + 2;
  for (int i = 0; i < 10; ++i) {
    const std::size_t child = i % 2 == 0 ? 0 : 1;
    stage.ready(child);
    stage.ends(child, kKilled);
    BOOST_TEST(stage.generation(child) == ++highest);
  }
}

BOOST_AUTO_TEST_CASE(news_of_an_earlier_incarnation_are_ignored) {
  Stage stage(worker_and_front());
  const std::uint64_t old = stage.generation(0);
  stage.ready(0);
  stage.ends(0, kKilled);
  stage.core.ready(0, old, stage.now);
  BOOST_TEST((stage.child(0).phase == Phase::kStarting));
  BOOST_TEST(stage.core.terminated(0, old, kSegfault, stage.now).empty());
  BOOST_TEST((stage.child(0).phase == Phase::kStarting));
}

BOOST_AUTO_TEST_CASE(a_death_is_counted_once) {
  Stage stage(worker_and_front());
  stage.ends(0, kSegfault);
  stage.ends(0, kSegfault);
  BOOST_TEST(stage.core.failures_in_period(0, stage.now) == 1U);
}

BOOST_AUTO_TEST_CASE(a_permanent_child_is_restarted_even_when_it_left_by_itself) {
  Stage stage = one(RestartType::kPermanent);
  stage.ready(0);
  stage.ends(0, kLeft);
  BOOST_TEST(stage.did(ActionKind::kStart, 0));
}

BOOST_AUTO_TEST_CASE(a_transient_child_is_restarted_only_when_it_failed) {
  Stage stage = one(RestartType::kTransient);
  stage.ready(0);
  stage.ends(0, kKilled);
  BOOST_TEST(stage.did(ActionKind::kStart, 0));
  stage.ready(0);
  stage.ends(0, kLeft);
  BOOST_TEST(stage.actions.empty());
  BOOST_TEST((stage.child(0).phase == Phase::kEnded));
  BOOST_TEST(!stage.core.next_wakeup().has_value());
}

BOOST_AUTO_TEST_CASE(a_temporary_child_is_never_restarted) {
  Stage stage = one(RestartType::kTemporary);
  stage.ready(0);
  stage.ends(0, kSegfault);
  stage.pass(1h);
  BOOST_TEST(stage.actions.empty());
  BOOST_TEST((stage.child(0).phase == Phase::kEnded));
}

BOOST_AUTO_TEST_CASE(a_child_that_never_became_ready_stops_the_node_beyond_its_intensity) {
  Stage stage(worker_and_front());
  stage.ready(1);
  for (int i = 0; i < 10; ++i) {
    stage.ends(0, kFailed);
    BOOST_REQUIRE(!stage.did(ActionKind::kGiveUp, 0));
    stage.wait_for_restart(0);
  }
  stage.ends(0, kFailed);
  BOOST_TEST(stage.did(ActionKind::kGiveUp, 0));
  BOOST_TEST(stage.did(ActionKind::kStop, 1));
  BOOST_TEST(stage.core.stopping());
}

BOOST_AUTO_TEST_CASE(failures_older_than_the_period_do_not_count) {
  Stage stage(worker_and_front());
  for (int i = 0; i < 100; ++i) {
    stage.ends(0, kFailed);
    BOOST_REQUIRE(!stage.did(ActionKind::kGiveUp, 0));
    stage.pass(10s);
    BOOST_TEST(stage.core.failures_in_period(0, stage.now) <= 7U);
  }
}

BOOST_AUTO_TEST_CASE(a_child_that_was_ready_once_keeps_restarting_at_the_longest_backoff) {
  Stage stage(worker_and_front());
  stage.ready(0);
  for (int i = 0; i < 10; ++i) {
    stage.ends(0, kSegfault);
    stage.wait_for_restart(0);
    stage.ready(0);
  }
  for (int i = 0; i < 20; ++i) {
    stage.ends(0, kSegfault);
    BOOST_TEST(!stage.did(ActionKind::kGiveUp, 0));
    BOOST_TEST(stage.wait_for_restart(0).count() >= 9'999);
  }
}

BOOST_AUTO_TEST_CASE(the_exit_code_of_misconfiguration_stops_the_node_at_once_even_later) {
  Stage stage(worker_and_front());
  stage.ready(0);
  stage.ready(1);
  stage.ends(0, kMisconfigured);
  const Supervisor::Actions expected{{ActionKind::kGiveUp, 0, kBase + 1},
                                     {ActionKind::kStop, 1, kBase + 2}};
  BOOST_TEST((stage.actions == expected));
  stage.ends(1, kLeft);
  BOOST_TEST(stage.did(ActionKind::kStopped, 0));
}

BOOST_AUTO_TEST_CASE(a_child_that_the_system_cannot_start_is_tried_again_with_backoff) {
  Stage stage(worker_and_front());
  stage.ends(0, {EndKind::kNotStarted, EAGAIN});
  BOOST_TEST(stage.wait_for_restart(0).count() == 50);
  BOOST_TEST(stage.did(ActionKind::kStart, 0));
}

BOOST_AUTO_TEST_CASE(stopping_asks_in_the_reverse_order_each_after_the_other_has_ended) {
  Stage stage(worker_and_front());
  stage.ready(0);
  stage.ready(1);
  stage.stop();
  BOOST_TEST((stage.actions == Supervisor::Actions{{ActionKind::kStop, 1, kBase + 2}}));
  stage.ends(1, kLeft);
  BOOST_TEST((stage.actions == Supervisor::Actions{{ActionKind::kStop, 0, kBase + 1}}));
  stage.ends(0, kLeft);
  BOOST_TEST((stage.actions == Supervisor::Actions{{ActionKind::kStopped, 0, 0}}));
}

BOOST_AUTO_TEST_CASE(a_child_that_does_not_stop_in_its_time_is_killed_once) {
  Stage stage(worker_and_front());
  stage.stop();
  stage.pass(29'999ms);
  BOOST_TEST(stage.actions.empty());
  BOOST_TEST((*stage.core.next_wakeup() == stage.now + 1ms));
  stage.pass(1ms);
  BOOST_TEST(stage.did(ActionKind::kKill, 1));
  BOOST_TEST(stage.child(1).killed);
  stage.pass(1h);
  BOOST_TEST(stage.actions.empty());
  stage.ends(1, kKilled);
  BOOST_TEST(stage.did(ActionKind::kStop, 0));
}

BOOST_AUTO_TEST_CASE(a_child_that_is_stopping_is_not_restarted_however_it_ends) {
  Stage stage(worker_and_front());
  stage.ready(1);
  stage.stop();
  stage.ends(1, kSegfault);
  BOOST_TEST(!stage.did(ActionKind::kStart, 1));
  stage.pass(1h);
  BOOST_TEST(!stage.did(ActionKind::kStart, 1));
}

BOOST_AUTO_TEST_CASE(a_worker_that_dies_while_the_front_drains_is_restarted_for_it) {
  Stage stage(worker_and_front());
  stage.ready(0);
  stage.ready(1);
  stage.stop();
  stage.ends(0, kKilled);
  BOOST_TEST(stage.did(ActionKind::kStart, 0));
  stage.ends(1, kLeft);
  BOOST_TEST(stage.did(ActionKind::kStop, 0));
}

BOOST_AUTO_TEST_CASE(a_worker_that_cannot_be_cured_does_not_end_a_drain) {
  Stage stage(worker_and_front());
  stage.stop();
  stage.ends(0, kMisconfigured);
  BOOST_TEST(stage.actions.empty());
  stage.ends(1, kLeft);
  BOOST_TEST((stage.actions == Supervisor::Actions{{ActionKind::kStopped, 0, 0}}));
}

BOOST_AUTO_TEST_CASE(a_child_that_waits_for_its_restart_is_not_started_to_be_stopped) {
  Stage stage(worker_and_front());
  stage.ends(0, kSegfault);
  stage.stop();
  stage.ends(1, kLeft);
  BOOST_TEST((stage.actions == Supervisor::Actions{{ActionKind::kStopped, 0, 0}}));
  BOOST_TEST(!stage.core.next_wakeup().has_value());
}

BOOST_AUTO_TEST_CASE(stopping_at_once_kills_everything_that_runs) {
  Stage stage(worker_and_front());
  stage.stop();
  stage.actions = stage.core.stop_now(stage.now);
  BOOST_TEST(stage.did(ActionKind::kKill, 0));
  BOOST_TEST(stage.did(ActionKind::kKill, 1));
  stage.ends(0, kKilled);
  BOOST_TEST(stage.actions.empty());
  stage.ends(1, kKilled);
  BOOST_TEST((stage.actions == Supervisor::Actions{{ActionKind::kStopped, 0, 0}}));
}

BOOST_AUTO_TEST_CASE(stopping_twice_is_stopping_once) {
  Stage stage(worker_and_front());
  stage.stop();
  stage.stop();
  BOOST_TEST(stage.actions.empty());
}

// Whatever happens in whatever order: a child runs at most once, generations only grow, and a stop
// ends.
BOOST_AUTO_TEST_CASE(random_histories_keep_the_promises) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    Stage stage(worker_and_front());
    const Termination ends[] = {kSegfault, kKilled, kLeft, kFailed};
    std::uint64_t highest = kBase + 2;
    const auto check_starts = [&] {
      for (const Action& action : stage.actions) {
        if (action.kind == ActionKind::kStart) BOOST_REQUIRE(action.generation == ++highest);
      }
      stage.actions.clear();
    };
    stage.actions.clear();
    for (int step = 0; step < 200; ++step) {
      const std::size_t child = random() % 2;
      if (random() % 3 == 0) stage.ready(child);
      if (random() % 3 == 0) stage.ends(child, ends[random() % 4]);
      check_starts();
      stage.pass(Milliseconds(random() % 12'000));
      check_starts();
      const auto wakeup = stage.core.next_wakeup();
      BOOST_REQUIRE((!wakeup || *wakeup > stage.now));
    }
    stage.stop();
    bool stopped = stage.did(ActionKind::kStopped, 0);
    for (int i = 0; i < 4 && !stopped; ++i) {
      const std::size_t child = stage.child(1).phase == Phase::kStopping ? 1 : 0;
      stage.ends(child, kLeft);
      stopped = stage.did(ActionKind::kStopped, 0);
    }
    BOOST_REQUIRE(stopped);
  }
}

BOOST_AUTO_TEST_SUITE_END()

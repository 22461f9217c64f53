// The behaviours that Erlang/OTP's own test suite of supervisors names, one test each, in virtual
// time: strategies and significant children.
#include "tests/actors/supervision/supervisor_otp.hpp"

using namespace troupe::tests;

BOOST_AUTO_TEST_SUITE(supervisor_otp_strategy)

// --- Strategies ---

BOOST_AUTO_TEST_CASE(restarts_up_to_the_intensity_are_borne_and_one_more_is_not) {
  Stage stage = running(1);
  for (int i = 0; i < 2; ++i) {
    stage.ends("c1", kFailed);
    BOOST_TEST(stage.words == "start:c1 ");
    stage.ready("c1");
  }
  stage.ends("c1", kFailed);
  BOOST_TEST(stage.words == "give_up:c1 exit ");
  BOOST_TEST((stage.core.exit() == Termination{EndKind::kEscalated, 0}));
}

BOOST_AUTO_TEST_CASE(restarts_older_than_the_period_do_not_count) {
  Stage stage = running(1);
  for (int i = 0; i < 100; ++i) {
    stage.ends("c1", kFailed);
    BOOST_REQUIRE(stage.words == "start:c1 ");
    stage.ready("c1");
    stage.pass(i % 2 == 0 ? 1ms : 3601s);
  }
}

BOOST_AUTO_TEST_CASE(one_for_one_restarts_the_one) {
  Stage stage = running(3);
  stage.ends("c2", kFailed);
  BOOST_TEST(stage.words == "start:c2 ");
  BOOST_TEST(stage.which() == "c1=running c2=restarting c3=running");
}

BOOST_AUTO_TEST_CASE(one_for_one_counts_the_failures_of_all_its_children) {
  Stage stage = running(3);
  for (const char* name : {"c1", "c2"}) {
    stage.ends(name, kFailed);
    stage.ready(name);
  }
  stage.ends("c3", kFailed);
  BOOST_TEST(stage.words == "give_up:c3 term:c2 ");
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "term:c1 ");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(one_for_all_stops_all_in_reverse_order_and_starts_all_in_order) {
  Stage stage = running(3, Strategy::kOneForAll);
  stage.ends("c2", kFailed);
  BOOST_TEST(stage.words == "term:c3 ");
  stage.ends("c3", kShutdownEnd);
  BOOST_TEST(stage.words == "term:c1 ");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c1 start:c2 start:c3 ");
}

BOOST_AUTO_TEST_CASE(one_for_all_escalates_beyond_its_intensity) {
  Stage stage = running(2, Strategy::kOneForAll);
  for (int i = 0; i < 2; ++i) {
    stage.ends("c1", kFailed);
    stage.ends("c2", kShutdownEnd);
    stage.all_ready();
  }
  stage.ends("c1", kFailed);
  BOOST_TEST(stage.words == "give_up:c1 term:c2 ");
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(one_for_all_begins_again_when_another_child_fails_to_restart) {
  SupervisorPolicy policy = otp(Strategy::kOneForAll, 5);
  policy.start_order = StartOrder::kInOrder;
  Stage stage(children(3), policy);
  for (const char* name : {"c1", "c2", "c3"}) stage.ready(name);
  stage.ends("c1", kFailed);
  stage.ends("c3", kShutdownEnd);
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c1 ");
  stage.ready("c1");
  BOOST_TEST(stage.words == "admit:c1 start:c2 ");
  stage.ends("c2", kFailed);  // its restart
  BOOST_TEST(stage.words == "term:c1 ");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c1 ");
  stage.ready("c1");
  stage.ready("c2");
  stage.ready("c3");
  BOOST_TEST(stage.which() == "c1=running c2=running c3=running");
}

BOOST_AUTO_TEST_CASE(rest_for_one_stops_and_starts_those_that_started_later) {
  Stage stage = running(4, Strategy::kRestForOne);
  stage.ends("c2", kFailed);
  BOOST_TEST(stage.words == "term:c4 ");
  stage.ends("c4", kShutdownEnd);
  BOOST_TEST(stage.words == "term:c3 ");
  stage.ends("c3", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c2 start:c3 start:c4 ");
  BOOST_TEST(stage.child("c1").restarts == 0U);
}

BOOST_AUTO_TEST_CASE(rest_for_one_escalates_beyond_its_intensity) {
  Stage stage = running(2, Strategy::kRestForOne);
  for (int i = 0; i < 2; ++i) {
    stage.ends("c2", kFailed);
    stage.ready("c2");
  }
  stage.ends("c1", kFailed);
  BOOST_TEST(stage.words == "give_up:c1 term:c2 ");
}

BOOST_AUTO_TEST_CASE(rest_for_one_begins_again_when_another_child_fails_to_restart) {
  Stage stage(children(3), otp(Strategy::kRestForOne, 5));
  stage.all_ready();
  stage.ends("c1", kFailed);
  stage.ends("c3", kShutdownEnd);
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c1 start:c2 start:c3 ");
  stage.ends("c2", kFailed);
  BOOST_TEST(stage.words == "term:c3 ");
  stage.ends("c3", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c2 start:c3 ");
}

BOOST_AUTO_TEST_CASE(a_death_while_the_group_is_being_stopped_is_not_counted_again) {
  Stage stage = running(3, Strategy::kOneForAll);
  stage.ends("c1", kFailed);
  BOOST_TEST(stage.words == "term:c3 ");
  stage.ends("c2", kSegfault);
  BOOST_TEST(stage.words == "");
  stage.ends("c3", kSegfault);
  BOOST_TEST(stage.words == "start:c1 start:c2 start:c3 ");
  BOOST_TEST(stage.core.failures_in_period(stage.child("c1"), stage.now) == 1U);
}

BOOST_AUTO_TEST_CASE(simple_one_for_one_restarts_the_one_with_its_pattern) {
  Stage stage = simple(RestartType::kPermanent, 2);
  stage.ends("child-1", kFailed);
  BOOST_TEST(stage.words == "start:child-1 ");
  stage.ready("child-1");
  BOOST_TEST(stage.which() == "child-1=running child-2=running");
}

BOOST_AUTO_TEST_CASE(simple_one_for_one_escalates_beyond_its_intensity) {
  Stage stage = simple(RestartType::kPermanent, 2);
  for (int i = 0; i < 2; ++i) {
    stage.ends("child-1", kFailed);
    stage.ready("child-1");
  }
  stage.ends("child-1", kFailed);
  BOOST_TEST(stage.words == "give_up:child-1 term:child-2 ");
}

BOOST_AUTO_TEST_CASE(simple_one_for_one_stops_all_at_once_and_waits_for_all) {
  Stage stage = simple(RestartType::kTransient, 3);
  stage.stop();
  BOOST_TEST(stage.words == "term:child-3 term:child-2 term:child-1 ");
  stage.ends("child-2", kShutdownEnd);
  stage.ends("child-1", kShutdownEnd);
  BOOST_TEST(stage.words == "");
  stage.pass(1s);
  BOOST_TEST(stage.words == "kill:child-3 ");
  stage.ends("child-3", kKilled);
  BOOST_TEST(stage.words == "exit ");
}

// --- Significant children ---

BOOST_AUTO_TEST_CASE(a_child_that_is_not_significant_ends_alone) {
  for (const RestartType type : {RestartType::kTemporary, RestartType::kTransient}) {
    Stage stage = with_significant(AutoShutdown::kAnySignificant, type);
    stage.ends("c1", kNormal);
    BOOST_TEST(stage.words == "");
    BOOST_TEST(!stage.core.stopping());
  }
}

BOOST_AUTO_TEST_CASE(any_significant_temporary_child_ends_the_supervisor_however_it_ends) {
  for (const Termination end : {kNormal, kShutdownEnd, kFailed}) {
    Stage stage = with_significant(AutoShutdown::kAnySignificant, RestartType::kTemporary);
    stage.ends("c2", end);
    BOOST_TEST(stage.words == "term:c3 ");
    stage.ends("c3", kShutdownEnd);
    stage.ends("c1", kShutdownEnd);
    BOOST_TEST(stage.words == "exit ");
    BOOST_TEST((stage.core.exit_reason() == ExitReason::kAutoShutdown));
    BOOST_TEST((stage.core.exit() == kShutdownEnd));
  }
}

BOOST_AUTO_TEST_CASE(a_significant_transient_child_ends_the_supervisor_only_by_a_normal_end) {
  Stage stage = with_significant(AutoShutdown::kAnySignificant, RestartType::kTransient);
  stage.ends("c2", kFailed);
  BOOST_TEST(stage.words == "start:c2 ");
  stage.ready("c2");
  stage.ends("c2", kNormal);
  BOOST_TEST(stage.words == "term:c3 ");
}

BOOST_AUTO_TEST_CASE(all_significant_waits_for_the_last_of_them) {
  Stage stage = with_significant(AutoShutdown::kAllSignificant, RestartType::kTransient);
  stage.ends("c2", kNormal);
  BOOST_TEST(stage.words == "");
  stage.ends("c3", kNormal);
  BOOST_TEST(stage.words == "term:c1 ");
}

BOOST_AUTO_TEST_CASE(a_significant_child_that_is_terminated_by_order_ends_nobody_else) {
  Stage stage = with_significant(AutoShutdown::kAnySignificant, RestartType::kTransient);
  stage.terminate("c2");
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "");
  BOOST_TEST(!stage.core.stopping());
}

BOOST_AUTO_TEST_CASE(dynamic_significant_children_end_a_simple_supervisor) {
  SupervisorPolicy policy = otp(Strategy::kSimpleOneForOne);
  policy.auto_shutdown = AutoShutdown::kAllSignificant;
  ChildSpec pattern = child_of("child", RestartType::kTemporary);
  pattern.significant = true;
  Stage stage({pattern}, policy);
  stage.add();
  stage.add();
  stage.ends("child-1", kNormal);
  BOOST_TEST(stage.words == "");
  stage.ends("child-2", kNormal);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(a_significant_bystander_that_falls_with_its_group_ends_nobody_else) {
  SupervisorPolicy policy = otp(Strategy::kOneForAll);
  policy.auto_shutdown = AutoShutdown::kAnySignificant;
  ChildSpec bystander = child_of("c2", RestartType::kTemporary);
  bystander.significant = true;
  Stage stage({child_of("c1"), bystander}, policy);
  stage.all_ready();
  stage.ends("c1", kFailed);
  BOOST_TEST(stage.words == "term:c2 ");
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c1 ");
  BOOST_TEST(!stage.core.stopping());
}

BOOST_AUTO_TEST_CASE(an_automatic_shutdown_is_a_normal_end_for_the_parent) {
  Stage inner = with_significant(AutoShutdown::kAnySignificant, RestartType::kTemporary);
  inner.ends("c2", kNormal);
  inner.ends("c3", kShutdownEnd);
  inner.ends("c1", kShutdownEnd);
  SupervisorPolicy policy = otp(Strategy::kOneForOne);
  policy.auto_shutdown = AutoShutdown::kAnySignificant;
  Stage parent({{.name = "inner",
                 .kind = ChildKind::kSupervisor,
                 .restart = RestartType::kTransient,
                 .significant = true}},
               policy);
  parent.all_ready();
  parent.ends("inner", inner.core.exit());
  BOOST_TEST(parent.words == "exit ");
}

BOOST_AUTO_TEST_SUITE_END()

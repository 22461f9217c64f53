// The behaviours that Erlang/OTP's own test suite of supervisors names, one test each, in virtual
// time: starting, stopping, administration, and types of restart.
#include "tests/actors/supervision/supervisor_otp.hpp"

using namespace troupe::tests;

BOOST_AUTO_TEST_SUITE(supervisor_otp)

// --- Starting ---

BOOST_AUTO_TEST_CASE(a_supervisor_without_children_starts_and_stops) {
  Stage stage({}, otp(Strategy::kOneForOne));
  BOOST_TEST(stage.words == "");
  BOOST_TEST(stage.counts() == numbers({0, 0, 0, 0}), kEqual);
  stage.stop();
  BOOST_TEST(stage.words == "exit ");
  BOOST_TEST((stage.core.exit() == kShutdownEnd));
}

BOOST_AUTO_TEST_CASE(a_child_with_nothing_to_do_is_kept_without_running) {
  Stage stage({}, otp(Strategy::kOneForOne));
  stage.add(child_of("c1"));
  stage.take(stage.core.ignored(1, kBase + 1, stage.now));
  stage.add(child_of("c2"));
  stage.ready("c2");
  BOOST_TEST(stage.which() == "c1=undefined c2=running");
  BOOST_TEST(stage.counts() == numbers({2, 1, 0, 2}), kEqual);
}

BOOST_AUTO_TEST_CASE(a_temporary_child_with_nothing_to_do_is_forgotten) {
  Stage stage(children(2, RestartType::kTemporary), otp(Strategy::kOneForOne));
  stage.take(stage.core.ignored(1, kBase + 1, stage.now));
  stage.ready("c2");
  BOOST_TEST(stage.which() == "c2=running");
  BOOST_TEST(stage.counts() == numbers({1, 1, 0, 1}), kEqual);
}

BOOST_AUTO_TEST_CASE(a_temporary_child_added_later_with_nothing_to_do_is_forgotten) {
  Stage stage({}, otp(Strategy::kOneForOne));
  stage.add(child_of("c1", RestartType::kTemporary));
  stage.take(stage.core.ignored(1, kBase + 1, stage.now));
  BOOST_TEST(stage.which() == "");
}

BOOST_AUTO_TEST_CASE(a_simple_child_with_nothing_to_do_is_forgotten_whatever_its_type) {
  for (const RestartType type : {RestartType::kTemporary, RestartType::kPermanent}) {
    Stage stage = simple(type, 0);
    stage.add();
    stage.take(stage.core.ignored(1, kBase + 1, stage.now));
    stage.add();
    stage.ready("child-2");
    BOOST_TEST(stage.which() == "child-2=running");
    BOOST_TEST(stage.counts() == numbers({1, 1, 0, 1}), kEqual);
    stage.stop();
    stage.ends("child-2", kShutdownEnd);
    BOOST_TEST(stage.words == "exit ");
  }
}

BOOST_AUTO_TEST_CASE(a_first_start_in_order_that_fails_undoes_all_and_is_reported) {
  SupervisorPolicy policy = otp(Strategy::kOneForOne);
  policy.start_order = StartOrder::kInOrder;
  Stage stage(children(3), policy);
  BOOST_TEST(stage.words == "start:c1 ");
  stage.ready("c1");
  BOOST_TEST(stage.words == "admit:c1 start:c2 ");
  stage.ends("c2", kFailed);
  BOOST_TEST(stage.words == "give_up:c2 term:c1 ");
  BOOST_TEST(stage.reported(ReportEvent::kStartError)->child == "c2");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "exit ");
  BOOST_TEST((stage.core.exit_reason() == ExitReason::kStartFailed));
}

BOOST_AUTO_TEST_CASE(specs_that_cannot_be_kept_are_refused) {
  SupervisorPolicy policy = otp(Strategy::kOneForOne);
  BOOST_TEST(!Supervisor::valid(child_of(""), policy));
  ChildSpec significant = child_of("c1", RestartType::kTransient);
  significant.significant = true;
  BOOST_TEST(!Supervisor::valid(significant, policy));
  policy.auto_shutdown = AutoShutdown::kAnySignificant;
  BOOST_TEST(Supervisor::valid(significant, policy));
  significant.restart = RestartType::kPermanent;
  BOOST_TEST(!Supervisor::valid(significant, policy));
  Stage stage({}, otp(Strategy::kOneForOne));
  BOOST_TEST((stage.add(significant) == Reply::kInvalidSpec));
}

BOOST_AUTO_TEST_CASE(the_spec_of_a_child_can_be_read_back) {
  Stage stage = running(1);
  ChildSpec spec = child_of("c2", RestartType::kTransient);
  spec.shutdown = {.kind = ShutdownKind::kBrutalKill};
  stage.add(spec);
  BOOST_TEST((stage.child("c2").spec == spec));
  BOOST_TEST(stage.core.find("c3") == nullptr);
}

// --- Stopping ---

BOOST_AUTO_TEST_CASE(infinity_waits_for_the_child_for_ever) {
  std::vector<ChildSpec> specs = children(2);
  for (ChildSpec& spec : specs) spec.shutdown.kind = ShutdownKind::kInfinity;
  specs[0].kind = ChildKind::kSupervisor;
  Stage stage(std::move(specs), otp(Strategy::kOneForOne));
  stage.all_ready();
  stage.stop();
  BOOST_TEST(stage.words == "term:c2 ");
  BOOST_TEST(!stage.core.next_wakeup().has_value());
  stage.pass(1000h);
  BOOST_TEST(stage.words == "");
  stage.ends("c2", kShutdownEnd);
  BOOST_TEST(stage.words == "term:c1 ");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(a_child_that_outlives_its_timeout_is_killed_once) {
  Stage stage = running(2);
  stage.stop();
  stage.pass(999ms);
  BOOST_TEST(stage.words == "");
  stage.pass(1ms);
  BOOST_TEST(stage.words == "kill:c2 ");
  stage.pass(1h);
  BOOST_TEST(stage.words == "");
  stage.ends("c2", kKilled);
  BOOST_TEST(stage.reported(ReportEvent::kShutdownError)->child == "c2");
  BOOST_TEST(stage.words == "term:c1 ");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.reported(ReportEvent::kShutdown)->child == "c1");
}

BOOST_AUTO_TEST_CASE(brutal_kill_asks_nobody) {
  std::vector<ChildSpec> specs = children(2);
  specs[1].shutdown.kind = ShutdownKind::kBrutalKill;
  Stage stage(std::move(specs), otp(Strategy::kOneForOne));
  stage.all_ready();
  stage.stop();
  BOOST_TEST(stage.words == "kill:c2 ");
  stage.ends("c2", kKilled);
  BOOST_TEST(stage.reported(ReportEvent::kShutdown)->child == "c2");
  BOOST_TEST(stage.words == "term:c1 ");
}

BOOST_AUTO_TEST_CASE(dynamic_children_that_are_killed_brutally_are_killed_all_at_once) {
  ChildSpec pattern = child_of("child");
  pattern.shutdown.kind = ShutdownKind::kBrutalKill;
  Stage stage({pattern}, otp(Strategy::kSimpleOneForOne));
  for (int i = 0; i < 3; ++i) stage.add();
  stage.stop();
  BOOST_TEST(stage.words == "kill:child-3 kill:child-2 kill:child-1 ");
}

// --- Administration ---

BOOST_AUTO_TEST_CASE(children_are_started_terminated_restarted_and_deleted_by_order) {
  Stage stage({}, otp(Strategy::kOneForOne));
  BOOST_TEST((stage.add(child_of("c1")) == Reply::kOk));
  BOOST_TEST((stage.add(child_of("c1")) == Reply::kAlreadyStarted));
  stage.ready("c1");
  BOOST_TEST((stage.restart("c1") == Reply::kRunning));
  BOOST_TEST((stage.core.delete_child("c1") == Reply::kRunning));
  BOOST_TEST((stage.terminate("c1") == Reply::kOk));
  BOOST_TEST(stage.words == "term:c1 ");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "");
  BOOST_TEST(stage.which() == "c1=undefined");
  BOOST_TEST((stage.terminate("c1") == Reply::kOk));
  BOOST_TEST((stage.add(child_of("c1")) == Reply::kAlreadyPresent));
  BOOST_TEST((stage.restart("c1") == Reply::kOk));
  BOOST_TEST(stage.words == "start:c1 ");
  stage.terminate("c1");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST((stage.core.delete_child("c1") == Reply::kOk));
  BOOST_TEST(stage.which() == "");
  BOOST_TEST((stage.restart("c1") == Reply::kNotFound));
  BOOST_TEST((stage.terminate("c1") == Reply::kNotFound));
  BOOST_TEST((stage.core.delete_child("c1") == Reply::kNotFound));
}

BOOST_AUTO_TEST_CASE(a_simple_supervisor_adds_and_terminates_but_neither_restarts_nor_deletes) {
  Stage stage = simple(RestartType::kPermanent, 2);
  BOOST_TEST((stage.add(child_of("c1")) == Reply::kSimpleOneForOne));
  BOOST_TEST((stage.restart("child-1") == Reply::kSimpleOneForOne));
  BOOST_TEST((stage.core.delete_child("child-1") == Reply::kSimpleOneForOne));
  BOOST_TEST((stage.terminate("child") == Reply::kNotFound));
  BOOST_TEST((stage.terminate("child-1") == Reply::kOk));
  stage.ends("child-1", kShutdownEnd);
  BOOST_TEST(stage.which() == "child-2=running");
}

BOOST_AUTO_TEST_CASE(a_supervisor_that_stops_or_is_full_takes_no_child) {
  SupervisorPolicy policy = otp(Strategy::kOneForOne);
  policy.children_max = 1;
  Stage stage(children(1), policy);
  BOOST_TEST((stage.add(child_of("c2")) == Reply::kFull));
  stage.stop();
  BOOST_TEST((stage.add(child_of("c2")) == Reply::kShuttingDown));
  BOOST_TEST((stage.restart("c1") == Reply::kShuttingDown));
}

// --- Permanent, transient, temporary × normal, shutdown, abnormal ---

BOOST_AUTO_TEST_CASE(a_permanent_child_is_restarted_after_a_normal_end) {
  Stage stage = one(RestartType::kPermanent);
  stage.ends("c1", kNormal);
  BOOST_TEST(stage.words == "start:c1 ");
}

BOOST_AUTO_TEST_CASE(a_transient_child_is_kept_but_not_restarted_after_a_normal_end) {
  Stage stage = one(RestartType::kTransient);
  stage.ends("c1", kNormal);
  BOOST_TEST(stage.words == "");
  BOOST_TEST(stage.which() == "c1=undefined");
  BOOST_TEST(stage.counts() == numbers({1, 0, 0, 1}), kEqual);
}

BOOST_AUTO_TEST_CASE(a_temporary_child_is_forgotten_after_a_normal_end) {
  Stage stage = one(RestartType::kTemporary);
  stage.ends("c1", kNormal);
  BOOST_TEST(stage.words == "");
  BOOST_TEST(stage.counts() == numbers({0, 0, 0, 0}), kEqual);
}

BOOST_AUTO_TEST_CASE(a_permanent_child_is_restarted_after_it_shut_down) {
  Stage stage = one(RestartType::kPermanent);
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "start:c1 ");
}

BOOST_AUTO_TEST_CASE(a_transient_child_is_not_restarted_after_it_shut_down) {
  Stage stage = one(RestartType::kTransient);
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.which() == "c1=undefined");
}

BOOST_AUTO_TEST_CASE(a_temporary_child_is_forgotten_after_it_shut_down) {
  Stage stage = one(RestartType::kTemporary);
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.which() == "");
}

BOOST_AUTO_TEST_CASE(a_permanent_child_is_restarted_after_an_abnormal_end) {
  Stage stage = one(RestartType::kPermanent);
  stage.ends("c1", kFailed);
  BOOST_TEST(stage.words == "start:c1 ");
}

BOOST_AUTO_TEST_CASE(a_transient_child_is_restarted_after_an_abnormal_end) {
  Stage stage = one(RestartType::kTransient);
  stage.ends("c1", kKilled);
  BOOST_TEST(stage.words == "start:c1 ");
}

BOOST_AUTO_TEST_CASE(a_temporary_child_is_forgotten_after_an_abnormal_end) {
  Stage stage = one(RestartType::kTemporary);
  stage.ends("c1", kSegfault);
  BOOST_TEST(stage.words == "");
  BOOST_TEST(stage.which() == "");
}

BOOST_AUTO_TEST_CASE(a_supervisor_that_gave_up_ended_in_order_for_its_parent) {
  Stage parent(
      {{.name = "inner", .kind = ChildKind::kSupervisor, .restart = RestartType::kTransient}},
      otp(Strategy::kOneForOne));
  parent.all_ready();
  parent.ends("inner", {EndKind::kEscalated, 0});
  BOOST_TEST(parent.which() == "inner=undefined");
}

BOOST_AUTO_TEST_CASE(a_temporary_bystander_is_stopped_with_its_group_and_forgotten) {
  for (const Strategy strategy : {Strategy::kOneForAll, Strategy::kRestForOne}) {
    Stage stage({child_of("c1"), child_of("c2", RestartType::kTemporary)}, otp(strategy));
    stage.all_ready();
    stage.ends("c1", kFailed);
    BOOST_TEST(stage.words == "term:c2 ");
    stage.ends("c2", kShutdownEnd);
    BOOST_TEST(stage.words == "start:c1 ");
    BOOST_TEST(stage.counts() == numbers({1, 1, 0, 1}), kEqual);
  }
}

BOOST_AUTO_TEST_SUITE_END()

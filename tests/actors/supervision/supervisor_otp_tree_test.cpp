// The behaviours that Erlang/OTP's own test suite of supervisors names, one test each, in virtual
// time: trees, counting, order and restart loops.
#include "tests/actors/supervision/supervisor_otp.hpp"

using namespace troupe::tests;

BOOST_AUTO_TEST_SUITE(supervisor_otp_tree)

// --- Trees, counting, order, loops ---

BOOST_AUTO_TEST_CASE(a_supervisor_that_escalates_is_restarted_by_its_parent_until_that_escalates) {
  Stage parent({{.name = "inner", .kind = ChildKind::kSupervisor}}, otp(Strategy::kOneForOne));
  parent.all_ready();
  for (int life = 0; life < 3; ++life) {
    Stage inner = running(1);
    for (int i = 0; i < 3; ++i) {
      inner.ends("c1", kFailed);
      if (i < 2) inner.ready("c1");
    }
    BOOST_REQUIRE(inner.words == "give_up:c1 exit ");
    parent.ends("inner", inner.core.exit());
    BOOST_TEST(parent.words == (life < 2 ? "start:inner " : "give_up:inner exit "));
    if (life < 2) parent.ready("inner");
  }
}

BOOST_AUTO_TEST_CASE(workers_and_supervisors_are_counted) {
  Stage stage({child_of("c1"),
               {.name = "s1", .kind = ChildKind::kSupervisor},
               {.name = "s2", .kind = ChildKind::kSupervisor}},
              otp(Strategy::kOneForOne));
  BOOST_TEST(stage.counts() == numbers({3, 3, 2, 1}), kEqual);
  stage.terminate("s1");
  stage.ends("s1", kShutdownEnd);
  BOOST_TEST(stage.counts() == numbers({3, 2, 2, 1}), kEqual);
}

BOOST_AUTO_TEST_CASE(children_that_wait_for_their_restart_are_counted_but_not_as_active) {
  SupervisorPolicy policy = otp(Strategy::kSimpleOneForOne, 20);
  policy.backoff_first = 50ms;
  Stage stage({child_of("child")}, policy);
  BOOST_TEST(stage.counts() == numbers({1, 0, 0, 0}), kEqual);
  for (int i = 1; i <= 3; ++i) {
    stage.add();
    stage.ready("child-" + std::to_string(i));
  }
  BOOST_TEST(stage.counts() == numbers({1, 3, 0, 3}), kEqual);
  stage.ends("child-1", kFailed);
  stage.ends("child-2", kFailed);
  BOOST_TEST(stage.counts() == numbers({1, 1, 0, 3}), kEqual);
  stage.pass(50ms);
  BOOST_TEST(stage.counts() == numbers({1, 3, 0, 3}), kEqual);
  stage.terminate("child-3");
  stage.ends("child-3", kShutdownEnd);
  BOOST_TEST(stage.counts() == numbers({1, 2, 0, 2}), kEqual);
}

BOOST_AUTO_TEST_CASE(children_start_in_the_given_order_and_stop_in_the_reverse_one) {
  std::vector<ChildSpec> specs;
  for (const char* name : {"ch7", "ch3", "ch10"}) specs.push_back(child_of(name));
  Stage stage(std::move(specs), otp(Strategy::kRestForOne));
  BOOST_TEST(stage.words == "start:ch7 start:ch3 start:ch10 ");
  stage.all_ready();
  stage.stop();
  std::string order = stage.words;
  for (const char* name : {"ch10", "ch3", "ch7"}) {
    stage.ends(name, kShutdownEnd);
    order += stage.words;
  }
  BOOST_TEST(order == "term:ch10 term:ch3 term:ch7 exit ");
}

BOOST_AUTO_TEST_CASE(started_in_order_each_waits_until_the_one_before_is_ready) {
  SupervisorPolicy policy = otp(Strategy::kOneForOne);
  policy.start_order = StartOrder::kInOrder;
  Stage stage(children(3), policy);
  BOOST_TEST(stage.words == "start:c1 ");
  stage.ready("c1");
  BOOST_TEST(stage.words == "admit:c1 start:c2 ");
  stage.ready("c2");
  BOOST_TEST(stage.words == "admit:c2 start:c3 ");
}

BOOST_AUTO_TEST_CASE(a_child_in_a_restart_loop_can_be_terminated_and_started_again) {
  SupervisorPolicy policy = otp(Strategy::kOneForOne, 8, 10s);
  policy.backoff_first = 50ms;
  Stage stage(children(1), policy);
  stage.all_ready();
  stage.ends("c1", kFailed);
  for (int i = 0; i < 3; ++i) {
    stage.wait();
    stage.ends("c1", kFailed);
  }
  BOOST_TEST((stage.add(child_of("c1")) == Reply::kAlreadyPresent));
  BOOST_TEST((stage.restart("c1") == Reply::kRestarting));
  BOOST_TEST((stage.core.delete_child("c1") == Reply::kRestarting));
  BOOST_TEST(stage.which() == "c1=restarting");
  BOOST_TEST(stage.counts() == numbers({1, 0, 0, 1}), kEqual);
  BOOST_TEST((stage.terminate("c1") == Reply::kOk));
  BOOST_TEST(stage.which() == "c1=undefined");
  BOOST_TEST(!stage.core.next_wakeup().has_value());
  BOOST_TEST((stage.restart("c1") == Reply::kOk));
  stage.ends("c1", kFailed);
  stage.stop();
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(a_group_in_a_restart_loop_can_be_ended_through_its_leader) {
  SupervisorPolicy policy = otp(Strategy::kRestForOne, 8, 10s);
  policy.backoff_first = 50ms;
  Stage stage(children(3), policy);
  stage.all_ready();
  stage.ends("c2", kFailed);
  stage.ends("c3", kShutdownEnd);
  BOOST_TEST(stage.which() == "c1=running c2=restarting c3=undefined");
  BOOST_TEST(stage.counts() == numbers({3, 1, 0, 3}), kEqual);
  BOOST_TEST((stage.restart("c2") == Reply::kRestarting));
  BOOST_TEST((stage.terminate("c2") == Reply::kOk));
  BOOST_TEST(stage.which() == "c1=running c2=undefined c3=undefined");
  BOOST_TEST(!stage.core.next_wakeup().has_value());
  BOOST_TEST((stage.restart("c2") == Reply::kOk));
  stage.ends("c2", kFailed);
  stage.stop();
  BOOST_TEST(stage.words == "term:c1 ");
  stage.ends("c1", kShutdownEnd);
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(a_dynamic_child_in_a_restart_loop_can_be_terminated) {
  SupervisorPolicy policy = otp(Strategy::kSimpleOneForOne, 8, 10s);
  policy.backoff_first = 50ms;
  Stage stage({child_of("child")}, policy);
  stage.add();
  stage.ready("child-1");
  stage.ends("child-1", kFailed);
  BOOST_TEST(stage.which() == "child-1=restarting");
  BOOST_TEST((stage.terminate("child-1") == Reply::kOk));
  BOOST_TEST(stage.which() == "");
  stage.add();
  stage.ends("child-2", kFailed);
  stage.stop();
  BOOST_TEST(stage.words == "exit ");
}

BOOST_AUTO_TEST_CASE(nothing_is_kept_of_temporary_children_and_permanent_ones_stay) {
  for (const Strategy strategy :
       {Strategy::kOneForOne, Strategy::kOneForAll, Strategy::kRestForOne}) {
    for (const Termination end : {kKilled, kNormal, kFailed}) {
      Stage stage({}, otp(strategy));
      stage.add(child_of("t", RestartType::kTemporary));
      stage.ready("t");
      stage.ends("t", end);
      BOOST_TEST((stage.add(child_of("t", RestartType::kTemporary)) == Reply::kOk));
      stage.add(child_of("p"));
      stage.ready("p");
      stage.ends("p", end);
      BOOST_TEST((stage.add(child_of("p")) == Reply::kAlreadyStarted ||
                  stage.add(child_of("p")) == Reply::kAlreadyPresent));
    }
  }
}

BOOST_AUTO_TEST_CASE(ten_thousand_dynamic_children_come_and_go) {
  SupervisorPolicy policy = otp(Strategy::kSimpleOneForOne);
  policy.children_max = 20'000;
  Stage stage({child_of("child", RestartType::kTemporary)}, policy);
  for (int i = 0; i < 10'000; ++i) (void)stage.core.start_dynamic(stage.now);
  BOOST_TEST(stage.counts() == numbers({1, 10'000, 0, 10'000}), kEqual);
  for (ChildId id = 1; id <= 10'000; ++id) {
    (void)stage.core.terminated(id, kBase + id, kNormal, stage.now);
  }
  BOOST_TEST(stage.core.children().empty());
}

BOOST_AUTO_TEST_CASE(which_children_names_them_in_the_order_of_their_start) {
  Stage stage = running(2);
  stage.add(child_of("a"));
  BOOST_TEST(stage.which() == "c1=running c2=running a=undefined");
}

BOOST_AUTO_TEST_SUITE_END()

// How root watches over its children: hangs, memory, intensity, and who is told.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "actors/supervision/restart_replay.hpp"
#include "tests/apps/node_harness.hpp"

using namespace troupe::tests;
using nlohmann::json;
using std::string;

namespace {

// Stops the child, and returns the one that root starts in its place; `event` tells how it ended.
FakeChild successor_of_stopped(const NodeHarness& node,
                               const FakeChild& child,
                               const string& event) {
  kill(child.pid, SIGSTOP);
  FakeChild again = node.next_child();
  BOOST_TEST(again.name == child.name);
  const json death = last_event(node, event);
  BOOST_TEST(death["child"] == child.name);
  BOOST_TEST(death["reason_code"] == "stopped");
  BOOST_TEST(death["reason_category"] == "outside");
  BOOST_TEST(death["signal"] == SIGKILL);
  return again;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(root_watch)

BOOST_AUTO_TEST_CASE(a_stopped_child_is_killed_and_restarted_front_and_worker_alike) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  for (FakeChild* child : {&worker, &front}) {
    child->tell("beat");
    *child = successor_of_stopped(node, *child, "child_terminated");
    BOOST_TEST(last_event(node, "child_terminated")["backoff_ms"] == 0);
    child->tell("ready");
  }
}

BOOST_AUTO_TEST_CASE(
    what_a_stopped_worker_worked_on_is_not_blamed_and_a_node_that_stood_still_lives) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  worker.tell("beat");
  front.tell("beat");
  // As a laptop that is closed: first root, so that it sees nothing of the rest.
  serve->signal(SIGSTOP);
  kill(worker.pid, SIGSTOP);
  kill(front.pid, SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
  for (const pid_t pid : {worker.pid, front.pid}) kill(pid, SIGCONT);
  serve->signal(SIGCONT);
  front.tell("status");
  kill(worker.pid, SIGSTOP);
  BOOST_TEST(front.reports.next_with("sibling worker-0").find("by its work") == string::npos);
  BOOST_TEST(events_of(node, "front") == "progress ");
}

BOOST_AUTO_TEST_CASE(a_child_that_is_stopped_while_it_starts_is_killed_and_restarted) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  for (FakeChild* child : {&worker, &front}) {
    *child = successor_of_stopped(node, *child, "start_error");
  }
}

BOOST_AUTO_TEST_CASE(an_answer_without_a_finite_number_is_wrong_though_it_is_the_first) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  worker.tell("tell_admission");
  worker.tell("answer fake -1:7fc00000");
  BOOST_TEST(worker.reports.all().find("admitted") == string::npos);
  BOOST_TEST(node.next_child().name == "worker-0");
  BOOST_TEST(last_event(node, "start_error")["reason_code"] == "invalid_answer");
}

BOOST_AUTO_TEST_CASE(a_worker_that_was_believed_is_killed_when_two_others_say_otherwise) {
  const NodeHarness node;
  const auto serve = node.serve({"--workers", "3"});
  std::map<string, FakeChild> children;
  while (children.size() < 4) {
    FakeChild child = node.next_child();
    children.emplace(child.name, std::move(child));
  }
  FakeChild& first = children.at("worker-0");
  first.tell("tell_admission");
  first.tell("answer fake 7:3f800000");
  first.reports.next_with("admitted");
  children.at("worker-1").tell("answer fake 1:3f800000");
  FakeChild again = node.next_child();
  BOOST_TEST(last_event(node, "start_error")["reason_code"] == "invalid_answer");
  again.tell("answer fake 1:3f800000");  // however often it says so, it is but one
  FakeChild once_more = node.next_child();
  BOOST_TEST(once_more.name == "worker-1");
  BOOST_TEST(last_event(node, "start_error")["reason_code"] == "invalid_answer");
  FakeChild& third = children.at("worker-2");
  third.tell("tell_admission");
  third.tell("answer fake 1:3f800000");
  BOOST_TEST(third.reports.next_with("admitted") == "admitted");
  BOOST_TEST(first.reports.next_with("<end>") == "<end>");
  BOOST_TEST(node.next_child().name == "worker-0");
  const json death = last_event(node, "child_terminated");
  BOOST_TEST(death["child"] == "worker-0");
  BOOST_TEST(death["reason_code"] == "invalid_answer");
  // What it computed is nobody's fault.
  const string told = children.at("front").reports.next_with("sibling worker-0");
  BOOST_TEST(told.find("by its work") == string::npos);
}

BOOST_AUTO_TEST_CASE(a_worker_that_computes_without_getting_on_is_killed_and_restarted) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  worker.tell("beat");
  worker.tell("hang");
  FakeChild again = node.next_child();
  BOOST_TEST(again.name == "worker-0");
  BOOST_TEST(last_event(node, "child_terminated")["reason_code"] == "hung");
}

BOOST_AUTO_TEST_CASE(a_worker_that_has_requests_and_begins_no_step_is_killed_and_restarted) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  worker.tell("beat");
  worker.tell("step");
  worker.tell("work");
  FakeChild again = node.next_child();
  BOOST_TEST(again.name == "worker-0");
  BOOST_TEST(last_event(node, "child_terminated")["reason_code"] == "hung");
}

BOOST_AUTO_TEST_CASE(a_worker_over_its_memory_limit_is_replaced_in_order) {
  const NodeHarness node;
  std::ofstream(node.folder() / "t.toml") << "[node]\nworker_memory_mb = 200\n";
  const auto serve = node.serve({"--config", "t.toml"});
  auto [worker, front] = node.bring_up();
  worker.tell("hold 300");
  BOOST_TEST(worker.reports.next() == "term");
  FakeChild again = node.next_child();
  BOOST_TEST(again.name == "worker-0");
  const json end = last_event(node, "shutdown");
  BOOST_TEST(end["child"] == "worker-0");
  // So soon that the next one will, too: it says what it would need, and waits longer each time.
  const string text = end["reason_text"];
  BOOST_REQUIRE(text.starts_with("held "));
  BOOST_TEST(std::stoi(text.substr(5)) > 300);
  BOOST_TEST(text.find("MiB of memory as soon as it was ready and may hold 200 MiB") !=
             string::npos);
  BOOST_TEST(end["restarts_in_window"] == 1);
  BOOST_TEST(end["backoff_ms"] >= 50);
  BOOST_TEST(front.reports.next_with("sibling worker-0").find("200 MiB") != string::npos);
}

BOOST_AUTO_TEST_CASE(
    a_worker_that_outgrows_its_memory_limit_when_it_has_served_is_not_called_unfit) {
  const NodeHarness node;
  std::ofstream(node.folder() / "t.toml") << "[node]\nworker_memory_mb = 200\n";
  const auto serve = node.serve({"--config", "t.toml"});
  auto [worker, front] = node.bring_up();
  worker.tell("begin_step");
  worker.tell("hold 300");
  BOOST_TEST(worker.reports.next() == "term");
  BOOST_TEST(node.next_child().name == "worker-0");
  const json end = last_event(node, "shutdown");
  BOOST_TEST(end["reason_text"] == "held more than its 200 MiB of memory, so it was replaced");
  BOOST_TEST(end["restarts_in_window"] == 0);
}

BOOST_AUTO_TEST_CASE(a_worker_over_its_memory_limit_may_end_its_requests_first) {
  const NodeHarness node;
  std::ofstream(node.folder() / "t.toml") << "[node]\nworker_memory_mb = 200\n";
  const auto serve = node.serve({"--config", "t.toml"});
  auto [worker, front] = node.bring_up();
  worker.tell("work");
  worker.tell("hold 300");
  serve->err.next_with("its requests may end first");
  BOOST_TEST(!worker.reports.has_more_now());
  worker.tell("rest");
  BOOST_TEST(worker.reports.next() == "term");
}

BOOST_AUTO_TEST_CASE(a_worker_over_its_memory_limit_has_no_longer_than_draining_has) {
  const NodeHarness node;
  std::ofstream(node.folder() / "t.toml")
      << "[node]\nworker_memory_mb = 200\ndrain_timeout_ms = 300\n";
  const auto serve = node.serve({"--config", "t.toml"});
  auto [worker, front] = node.bring_up();
  worker.tell("work");
  worker.tell("hold 300");
  BOOST_TEST(worker.reports.next() == "term");
}

BOOST_AUTO_TEST_CASE(replaying_the_log_tells_who_runs_in_which_generation) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  const auto replay = [&node] {
    troupe::actors::supervision::RestartReplay replayed;
    for (const string& line : node.restart_log()) replayed.add(line);
    return replayed.children("root");
  };
  using troupe::actors::supervision::ChildStatus;
  BOOST_TEST((replay().at("worker-0").status == ChildStatus::kRunning));
  BOOST_TEST(replay().at("front").generation == front.generation);
  kill(worker.pid, SIGKILL);
  FakeChild again = node.next_child();
  BOOST_TEST((replay().at("worker-0").status == ChildStatus::kRestarting));
  again.tell("ready");
  serve->err.next_with("is back after");
  BOOST_TEST((replay().at("worker-0").status == ChildStatus::kRunning));
  BOOST_TEST(replay().at("worker-0").generation == again.generation);
}

BOOST_AUTO_TEST_CASE(a_root_that_was_killed_leaves_nobody_in_the_replay_of_the_next_one) {
  const NodeHarness node;
  {
    const auto serve = node.serve();
    auto [worker, front] = node.bring_up();
    serve->err.next_with("ready in");
    serve->signal(SIGKILL);
    BOOST_TEST(serve->exit_code() == -SIGKILL);
  }
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  troupe::actors::supervision::RestartReplay replayed;
  for (const string& line : node.restart_log()) replayed.add(line);
  BOOST_TEST(replayed.children("root").empty());
}

BOOST_AUTO_TEST_CASE(a_service_manager_hears_when_the_node_is_ready_works_and_stops) {
  const NodeHarness node;
  const NotifySocket manager(node.folder() / "notify.sock");
  setenv("NOTIFY_SOCKET", manager.path().c_str(), 1);
  setenv("WATCHDOG_USEC", "1000000", 1);
  const auto serve = node.serve();
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  BOOST_TEST(manager.next() == "WATCHDOG=1");
  auto [worker, front] = node.bring_up();
  string message = manager.next();
  while (message == "WATCHDOG=1") message = manager.next();
  BOOST_TEST(message == "READY=1\nSTATUS=serving fake-model on http://127.0.0.1:1234");
  BOOST_TEST(manager.next() == "WATCHDOG=1");
  serve->signal(SIGTERM);
  while (!message.starts_with("STOPPING=1")) message = manager.next();
  // Longer than the drain, whatever the unit's TimeoutStopSec says.
  const string extend = "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=";
  BOOST_REQUIRE(message.starts_with(extend));
  BOOST_TEST(std::stoll(message.substr(extend.size())) > 30'000'000);
  front.tell("exit 0");
  BOOST_TEST(serve->exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(a_service_manager_hears_that_a_node_stops_which_cannot_go_on) {
  const NodeHarness node;
  const NotifySocket manager(node.folder() / "notify.sock");
  setenv("NOTIFY_SOCKET", manager.path().c_str(), 1);
  const auto serve = node.serve();
  unsetenv("NOTIFY_SOCKET");
  auto [worker, front] = node.next_worker_and_front();
  worker.tell("exit 2");
  BOOST_TEST(manager.next().starts_with("STOPPING=1\n"));
  BOOST_TEST(serve->exit_code() == 1);
}

BOOST_AUTO_TEST_CASE(a_worker_that_fails_at_every_start_is_given_up_and_the_front_is_told_why) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  front.tell("ready");
  for (int i = 0; i < 10; ++i) {
    worker.tell("exit 0");
    worker = node.next_child();
    BOOST_TEST(worker.name == "worker-0");
  }
  worker.tell("stderr troupe: no such instruction");
  worker.tell("exit 0");
  BOOST_TEST(serve->err.next_with("any more").find("worker-0 failed too often") != string::npos);
  const string told = front.reports.next_with("for good");
  BOOST_TEST(told == "sibling worker-0 " + std::to_string(worker.generation) +
                         " exited with 0: no such instruction for good");
  BOOST_TEST(node.status()["processes"][0]["state"] == "given up");
  // The next front would wait for it.
  kill(front.pid, SIGKILL);
  front = node.next_child();
  front.tell("ready");
  BOOST_TEST(front.reports.next_with("for good") == told);
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next() == "drain 30000");
}

// All processes of a node refuse the same model, each in its own words, which are the same.
BOOST_AUTO_TEST_CASE(what_two_children_refuse_alike_is_said_once_and_once_more_after_a_restart) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  front.tell("ready");
  worker.tell("stderr troupe: model.gguf: no model");
  front.tell("stderr troupe: model.gguf: no model");
  front.tell("stderr troupe: something else");
  worker.tell("exit 0");
  worker = node.next_child();
  worker.tell("stderr troupe: something else");
  int said = 0;
  std::string line;
  for (int others = 0; others < 2;) {
    line = serve->err.next();
    if (line.starts_with("troupe: model.gguf")) ++said;
    if (line.starts_with("troupe: something else")) ++others;
  }
  BOOST_TEST(said == 1);
  serve->signal(SIGTERM);
}

BOOST_AUTO_TEST_CASE(the_configured_intensity_and_back_off_are_those_of_root) {
  const NodeHarness node;
  const auto file = node.folder() / "node.toml";
  std::ofstream(file) << "[supervision]\nintensity = 1\nperiod_ms = 1234\n"
                         "backoff_first_ms = 2\nbackoff_max_ms = 2\n";
  const auto serve = node.serve({"--config", file.string()});
  auto [worker, front] = node.next_worker_and_front();
  front.tell("ready");
  worker.tell("exit 0");
  worker = node.next_child();
  worker.tell("exit 0");
  BOOST_TEST(serve->err.next_with("any more").find("worker-0 failed too often") != string::npos);
  const json end = last_event(node, "start_error");
  BOOST_TEST(end["intensity"] == 1);
  BOOST_TEST(end["period_ms"] == 1234);
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next_with("drain") == "drain 30000");
}

BOOST_AUTO_TEST_SUITE_END()

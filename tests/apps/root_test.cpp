// A whole node with fake children: starting, restarting, draining, refusing.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/apps/node_harness.hpp"

using namespace troupe::tests;
using nlohmann::json;
using std::string;

namespace {

string command_line(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline");
  string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::ranges::replace(text, '\0', ' ');
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(root)

BOOST_AUTO_TEST_CASE(a_node_starts_its_children_and_says_when_it_is_ready) {
  const NodeHarness node;
  const auto serve = node.serve({"--workers", "2"});
  std::set<string> names;
  for (int i = 0; i < 3; ++i) {
    FakeChild child = node.next_child();
    names.insert(child.name);
    BOOST_TEST(command_line(child.pid).starts_with("troupe " + child.name + " --config "));
    child.tell("ready");
    if (child.name == "front") child.tell("status");
    if (child.name == "worker-0") child.tell("progress loading 40%");
    if (names.size() < 3) continue;
    const std::set<string> expected{"front", "worker-0", "worker-1"};
    BOOST_TEST(names == expected, boost::test_tools::per_element());
  }
  BOOST_TEST(command_line(serve->pid()).starts_with("troupe root --config "));
  BOOST_TEST(serve->err.next().starts_with("troupe: starting 2 worker(s) with model.gguf"));
}

BOOST_AUTO_TEST_CASE(the_ready_line_and_progress_reach_the_person_who_waits) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  worker.tell("progress loading 40%");
  BOOST_TEST(serve->err.next_with("loading") == "troupe: worker-0: loading 40%");
  worker.tell("stderr a word of its own");
  BOOST_TEST(serve->err.next_with("a word") == "a word of its own");
  worker.tell("ready");
  front.tell("ready");
  front.tell("status");
  const string ready = serve->err.next_with("ready in");
  BOOST_TEST((ready.find("http://127.0.0.1:1234 zmq tcp://127.0.0.1:4321 model fake-model") !=
              string::npos),
             ready);
}

BOOST_AUTO_TEST_CASE(a_killed_worker_is_restarted_at_once_and_the_front_is_told) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  kill(worker.pid, SIGKILL);
  BOOST_TEST(front.reports.next() ==
             "sibling worker-0 " + std::to_string(worker.generation) + " killed by SIGKILL");
  FakeChild again = node.next_child();
  BOOST_TEST(again.name == "worker-0");
  BOOST_TEST(again.generation > worker.generation);
  BOOST_TEST(again.generation > front.generation);
  again.tell("ready");
  serve->err.next_with("worker-0 is back after");
  BOOST_TEST(events_of(node, "worker-0") == "progress child_terminated progress ");
  const json death = last_event(node, "child_terminated");
  BOOST_TEST(death["reason_category"] == "outside");
  BOOST_TEST(death["reason_code"] == "SIGKILL");
  BOOST_TEST(death["signal"] == SIGKILL);
  BOOST_TEST(death["exit_code"].is_null());
  BOOST_TEST(death["backoff_ms"] == 0);
  BOOST_TEST(death["id"] == worker.pid);
  BOOST_TEST(death["generation"] == worker.generation);
  const json back = last_event(node, "progress");
  BOOST_TEST(back["id"] == again.pid);
  BOOST_TEST(back["downtime_ms"].get<int>() < 30'000);
}

BOOST_AUTO_TEST_CASE(a_node_started_with_sigchld_ignored_restarts_its_children_all_the_same) {
  const NodeHarness node;
  std::signal(SIGCHLD, SIG_IGN);  // as the node inherits it
  const auto serve = node.serve();
  std::signal(SIGCHLD, SIG_DFL);
  auto [worker, front] = node.bring_up();
  kill(worker.pid, SIGKILL);
  BOOST_TEST(node.next_child().name == "worker-0");
  BOOST_TEST(last_event(node, "child_terminated")["reason_code"] == "SIGKILL");
}

BOOST_AUTO_TEST_CASE(a_restart_line_has_every_field_of_the_log) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  const json record = json::parse(node.restart_log().front());
  for (const char* field : {"ts_wall",
                            "ts_mono",
                            "node",
                            "supervisor",
                            "event",
                            "child",
                            "kind",
                            "id",
                            "generation",
                            "restart_type",
                            "strategy",
                            "signal",
                            "exit_code",
                            "reason_category",
                            "reason_code",
                            "reason_text",
                            "intensity",
                            "period_ms",
                            "restarts_in_window",
                            "backoff_ms",
                            "downtime_ms",
                            "requests_requeued",
                            "requests_failed"}) {
    BOOST_TEST(record.contains(field), field);
  }
}

BOOST_AUTO_TEST_CASE(a_crashed_worker_waits_for_its_backoff) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  worker.tell("signal " + std::to_string(SIGSEGV));
  BOOST_TEST(front.reports.next().ends_with(" by its work"));
  FakeChild again = node.next_child();
  BOOST_TEST(again.name == "worker-0");
  const json death = last_event(node, "child_terminated");
  BOOST_TEST(death["reason_category"] == "work");
  BOOST_TEST(death["reason_code"] == "SIGSEGV");
  BOOST_TEST(death["backoff_ms"] == 50);
  BOOST_TEST(death["restarts_in_window"] == 1);
}

BOOST_AUTO_TEST_CASE(a_restart_tells_what_became_of_the_requests_as_the_front_says) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  kill(worker.pid, SIGKILL);
  front.reports.next();  // it has told root by then
  FakeChild again = node.next_child();
  // An answer of root's loop comes after what was sent before the question.
  for (int i = 0; i < 2; ++i) (void)node.status();
  again.tell("ready");
  serve->err.next_with("worker-0 is back after");
  const json progress = last_event(node, "progress");
  BOOST_TEST(progress["requests_requeued"] == 3);
  BOOST_TEST(progress["requests_failed"] == 1);
  BOOST_TEST(last_event(node, "child_terminated")["requests_requeued"].is_null());
}

BOOST_AUTO_TEST_CASE(a_worker_gets_traffic_when_it_answered_the_known_prompt_as_the_first_one_did) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  worker.tell("tell_admission");
  worker.tell("ready");
  BOOST_TEST(worker.reports.next() == "admitted");
  kill(worker.pid, SIGKILL);
  FakeChild wrong = node.next_child();
  wrong.tell("tell_admission");
  wrong.tell("answer fake 2:3f800000");
  BOOST_TEST(wrong.reports.all().find("admitted") == string::npos);
  FakeChild right = node.next_child();
  right.tell("tell_admission");
  right.tell("ready");
  BOOST_TEST(right.reports.next() == "admitted");
  const json error = last_event(node, "start_error");
  BOOST_TEST(error["reason_code"] == "invalid_answer");
  BOOST_TEST(error["reason_category"] == "work");
  BOOST_TEST(error["generation"] == wrong.generation);
}

BOOST_AUTO_TEST_CASE(a_killed_front_is_restarted_beside_its_worker) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  BOOST_TEST(node.status()["ready"] == true);
  kill(front.pid, SIGKILL);
  FakeChild again = node.next_child();
  BOOST_TEST(again.name == "front");
  BOOST_TEST(again.generation > front.generation);
  BOOST_TEST(node.status()["ready"] == false);
  again.tell("ready");
  again.tell("status");
  serve->err.next_with("front is back after");
  BOOST_TEST(node.status()["ready"] == true);
  BOOST_TEST(!worker.reports.has_more_now());
}

BOOST_AUTO_TEST_CASE(a_front_is_told_who_died_while_there_was_none) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  front.tell("signal " + std::to_string(SIGSEGV));
  serve->err.next_with("front killed by SIGSEGV");  // it waits for its back-off
  kill(worker.pid, SIGKILL);
  auto [next_worker, next_front] = node.next_worker_and_front();
  BOOST_TEST(next_front.name == "front");
  next_front.tell("ready");
  BOOST_TEST(next_front.reports.next_with("sibling") ==
             "sibling worker-0 " + std::to_string(worker.generation) + " killed by SIGKILL");
}

BOOST_AUTO_TEST_CASE(a_front_that_sends_garbage_is_borne) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  front.tell("garbage");
  serve->err.next_with("sent a frame that is none");
  BOOST_TEST(node.status()["processes"].size() == 2U);
}

BOOST_AUTO_TEST_CASE(the_death_of_root_takes_the_children_along_and_the_node_starts_again) {
  const NodeHarness node;
  auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->signal(SIGKILL);
  BOOST_TEST(worker.reports.next() == "<end>");
  BOOST_TEST(front.reports.next() == "<end>");
  BOOST_TEST(serve->exit_code() == -SIGKILL);
  serve = node.serve();
  auto [next_worker, next_front] = node.bring_up();
  BOOST_TEST(next_worker.generation > std::max(worker.generation, front.generation));
  BOOST_TEST(next_front.generation > std::max(worker.generation, front.generation));
}

BOOST_AUTO_TEST_CASE(sigterm_drains_the_front_before_the_workers_and_leaves_nothing_behind) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next() == "drain 30000");
  BOOST_TEST(node.status()["draining"] == true);
  BOOST_TEST(!worker.reports.has_more_now());
  front.tell("exit 0");
  BOOST_TEST(worker.reports.next() == "term");
  BOOST_TEST(serve->exit_code() == 0);
  BOOST_TEST(std::filesystem::is_empty(node.folder() / "state"));
  BOOST_TEST(events_of(node, "front") == "progress shutdown ");
  BOOST_TEST(events_of(node, "worker-0") == "progress shutdown ");
}

BOOST_AUTO_TEST_CASE(sigint_drains_too_and_children_ignore_it) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  kill(worker.pid, SIGINT);
  kill(front.pid, SIGINT);
  worker.tell("progress alive");
  serve->signal(SIGINT);
  BOOST_TEST(front.reports.next() == "drain 30000");
  front.tell("exit 0");
  BOOST_TEST(worker.reports.next() == "term");
  BOOST_TEST(serve->exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(a_second_signal_stops_at_once) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next() == "drain 30000");
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next() == "<end>");
  BOOST_TEST(worker.reports.next() == "<end>");
  BOOST_TEST(serve->exit_code() == 1);
}

BOOST_AUTO_TEST_CASE(a_worker_that_ignores_sigterm_is_killed_after_its_time) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  worker.tell("ignore_term");
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next() == "drain 30000");
  front.tell("exit 0");
  BOOST_TEST(worker.reports.next() == "term");
  BOOST_TEST(worker.reports.next() == "<end>");
  BOOST_TEST(serve->exit_code() == 1);
  BOOST_TEST(events_of(node, "worker-0") == "progress shutdown_error ");
}

BOOST_AUTO_TEST_CASE(a_front_killed_while_it_drains_is_not_restarted) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next() == "drain 30000");
  kill(front.pid, SIGKILL);
  BOOST_TEST(worker.reports.next() == "term");
  BOOST_TEST(serve->exit_code() == 1);
}

BOOST_AUTO_TEST_CASE(a_child_that_cannot_be_cured_stops_the_node_with_its_reason) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.next_worker_and_front();
  worker.tell("stderr troupe: model.gguf is not a model");
  worker.tell("exit 2");
  BOOST_TEST(serve->err.next_with("not a model") == "troupe: model.gguf is not a model");
  BOOST_TEST(serve->err.next() == "troupe: the node stops, because worker-0 exited with 2");
  BOOST_TEST(front.reports.next().starts_with("sibling worker-0 "));
  BOOST_TEST(front.reports.next() == "term");
  BOOST_TEST(serve->exit_code() == 1);
  BOOST_TEST(last_event(node, "start_error")["exit_code"] == 2);
}

BOOST_AUTO_TEST_CASE(a_second_node_in_the_same_folder_is_refused_with_the_first_ones_process) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  const auto second = node.serve();
  const string refusal = second->err.next();
  BOOST_TEST((refusal.find("a node runs here already, process " + std::to_string(serve->pid())) !=
              string::npos),
             refusal);
  BOOST_TEST(second->exit_code() == 1);
  BOOST_TEST(node.status()["processes"].size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_model_that_is_not_there_is_refused_with_the_remedy) {
  const NodeHarness node;
  const auto serve = node.command({"serve", "--model", "nowhere.gguf"});
  const string refusal = serve->err.next();
  BOOST_TEST(
      (refusal.find("nowhere.gguf: no such model file; scripts/fetch_model.sh") != string::npos),
      refusal);
  BOOST_TEST(serve->exit_code() == 1);
  BOOST_TEST(!std::filesystem::exists(node.folder() / "state"));
}

BOOST_AUTO_TEST_SUITE_END()

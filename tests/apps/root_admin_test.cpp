// The admin socket of a node, and the commands that speak to it.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/node_harness.hpp"

using namespace troupe::tests;
using nlohmann::json;
using std::string;

BOOST_AUTO_TEST_SUITE(root_admin)

BOOST_AUTO_TEST_CASE(status_tells_every_process_and_the_counts_of_the_front) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  const json status = node.status();
  BOOST_TEST(status["ready"] == true);
  BOOST_TEST(status["draining"] == false);
  BOOST_TEST(status["model"] == "fake-model");
  BOOST_TEST(status["http"] == "127.0.0.1:1234");
  BOOST_TEST(status["numerics_id"] == "fake-numerics");
  BOOST_TEST(status["requests"] ==
             json::parse(R"({"accepted":7,"finished":4,"refused":3,"queued":2,"running":1})"));
  BOOST_TEST(status["generated_tokens"] == 99);
  BOOST_TEST(status["processes"][0]["name"] == "worker-0");
  BOOST_TEST(status["processes"][0]["pid"] == worker.pid);
  BOOST_TEST(status["processes"][0]["state"] == "ready");
  BOOST_TEST(status["processes"][0]["generation"] == worker.generation);
  BOOST_TEST(status["processes"][1]["name"] == "front");
  BOOST_TEST(status["processes"][1]["restarts"] == 0);
  BOOST_TEST(status["processes"][1]["last_reason"] == "");
}

BOOST_AUTO_TEST_CASE(the_admin_socket_is_its_owners_alone) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();

  struct stat socket_status {};

  BOOST_REQUIRE(stat((node.folder() / "state" / "admin.sock").c_str(), &socket_status) == 0);
  BOOST_TEST((socket_status.st_mode & 0777U) == 0600U);
}

BOOST_AUTO_TEST_CASE(bad_admin_clients_disturb_nobody) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(node.connect_admin());
  for (const char* bad : {"nonsense",
                          "[]",
                          "{}",
                          "{\"command\":1}",
                          "{\"command\":\"dance\"}",
                          "",
                          "\xFF\xFE",
                          "[[[[[[[[[[[["}) {
    BOOST_TEST(json::parse(node.ask(bad)).contains("error"), bad);
  }
  const UniqueFd flood = node.connect_admin();
  const string endless(100'000, 'x');
  (void)!send(flood.get(), endless.data(), endless.size(), MSG_NOSIGNAL);
  BOOST_TEST(LineReader(UniqueFd(dup(flood.get()))).next() == "<end>");
  BOOST_TEST(node.status()["processes"].size() == 2U);
  BOOST_TEST(!worker.reports.has_more_now());
  BOOST_TEST(!front.reports.has_more_now());
}

BOOST_AUTO_TEST_CASE(the_status_command_prints_a_table_or_the_object) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  const auto as_json = node.command({"status", "--json"});
  BOOST_TEST(json::parse(as_json->out.next())["model"] == "fake-model");
  BOOST_TEST(as_json->exit_code() == 0);
  const auto table = node.command({"status", "--state", "state"});
  const string text = table->out.all();
  for (const char* part : {"ready, up ", "fake-model", "worker-0", "front", "7 accepted"}) {
    BOOST_TEST((text.find(part) != string::npos), part << " in\n" << text);
  }
  BOOST_TEST(table->exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(the_top_command_draws_the_tree_once) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  serve->err.next_with("ready in");
  worker.tell("work");
  const auto top = node.command({"top", "--once"});
  const string text = top->out.all();
  for (const char* part : {": ready, up ",
                           "7 accepted",
                           "├─ worker-0",
                           "│  └─ batch",
                           "└─ front",
                           "   ├─ preprocess",
                           "   └─ gateway",
                           "IN FLIGHT"}) {
    BOOST_TEST((text.find(part) != string::npos), part << " in\n" << text);
  }
  BOOST_TEST(top->exit_code() == 0);
  BOOST_TEST(node.status()["processes"][0]["in_flight"] == 3);
}

BOOST_AUTO_TEST_CASE(the_status_command_without_a_node_is_one_line_and_code_one) {
  const NodeHarness node;
  const auto status = node.command({"status"});
  const string refusal = status->err.next();
  BOOST_TEST((refusal.find("state/admin.sock: no node answers") != string::npos), refusal);
  BOOST_TEST(status->exit_code() == 1);
}

BOOST_AUTO_TEST_CASE(the_drain_command_returns_when_the_node_has_ended) {
  const NodeHarness node;
  const auto serve = node.serve();
  auto [worker, front] = node.bring_up();
  const auto drain = node.command({"drain"});
  BOOST_TEST(drain->out.next() == "draining");
  BOOST_TEST(front.reports.next() == "drain 30000");
  // Clients that come and go do not cost the one that waits its place.
  for (int i = 0; i < 40; ++i) node.connect_admin();
  BOOST_TEST(node.status()["draining"] == true);
  BOOST_TEST(!drain->out.has_more_now());
  front.tell("exit 0");
  BOOST_TEST(drain->out.next() == "drained");
  BOOST_TEST(drain->exit_code() == 0);
  BOOST_TEST(serve->exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(a_configuration_file_is_obeyed_and_flags_win_over_it) {
  const NodeHarness node;
  std::filesystem::create_directory(node.folder() / "etc");
  std::ofstream(node.folder() / "etc" / "t.toml")
      << "[node]\nstate = \"run\"\nlogs = \"../logs\"\nworkers = 3\ndrain_timeout_ms = 1234\n";
  const auto serve = node.serve({"--config", "etc/t.toml", "--workers", "1"});
  auto [worker, front] = node.bring_up();
  const auto status = node.command({"status", "--config", "etc/t.toml", "--json"});
  BOOST_TEST(json::parse(status->out.next())["processes"].size() == 2U);
  serve->signal(SIGTERM);
  BOOST_TEST(front.reports.next() == "drain 1234");
  front.tell("exit 0");
  BOOST_TEST(serve->exit_code() == 0);
  BOOST_TEST(std::filesystem::is_empty(node.folder() / "etc" / "run"));
}

BOOST_AUTO_TEST_SUITE_END()

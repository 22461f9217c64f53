// What the admin socket reads and says.
#include "actors/supervision/admin_protocol.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

using namespace troupe::actors::supervision;
using nlohmann::json;

BOOST_AUTO_TEST_SUITE(admin_protocol)

BOOST_AUTO_TEST_CASE(the_two_commands_are_read_and_unknown_keys_ignored) {
  const AdminRequest status = read_admin_request(R"({"command":"status"})");
  BOOST_TEST(status.error == "");
  BOOST_TEST((status.command == AdminCommand::kStatus));
  const AdminRequest drain = read_admin_request(R"( {"x":[1],"command":"drain"} )");
  BOOST_TEST(drain.error == "");
  BOOST_TEST((drain.command == AdminCommand::kDrain));
}

BOOST_AUTO_TEST_CASE(anything_else_is_an_error_with_words) {
  std::mt19937 random(1);
  for (const char* bad :
       {"", "{", "null", "\"status\"", R"({"command":["status"]})", R"({"command":"x"})"}) {
    BOOST_TEST(!read_admin_request(bad).error.empty(), bad);
  }
  for (int i = 0; i < 2000; ++i) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    BOOST_TEST(!read_admin_request(noise).error.empty());
  }
  BOOST_TEST(!read_admin_request(std::string(4096, '[')).error.empty());
}

BOOST_AUTO_TEST_CASE(a_status_is_one_line_whatever_its_texts_hold) {
  NodeStatus status{.node = "/a\n\"b\"\xFF", .version = "0.1.0", .uptime_s = 1.5};
  status.processes.push_back(
      {.name = "worker-0", .pid = 5, .state = "ready", .generation = 1ULL << 52U});
  const std::string line = to_json_line(status);
  BOOST_TEST((line.find('\n') == std::string::npos));
  const json object = json::parse(line);
  BOOST_TEST(object["processes"][0]["generation"] == (1ULL << 52U));
  BOOST_TEST(object["processes"][0]["kind"] == "process");
  for (const char* field : {"node",
                            "version",
                            "uptime_s",
                            "ready",
                            "draining",
                            "model",
                            "http",
                            "zmq",
                            "numerics_id",
                            "processes",
                            "requests",
                            "generated_tokens"}) {
    BOOST_TEST(object.contains(field), field);
  }
  BOOST_TEST(json::parse(error_json_line("a \"b\""))["error"] == "a \"b\"");
}

BOOST_AUTO_TEST_SUITE_END()

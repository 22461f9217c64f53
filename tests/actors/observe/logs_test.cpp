// JSON lines, log files and the records of requests.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "actors/observe/json_line.hpp"
#include "actors/observe/log_file.hpp"
#include "actors/observe/performance_log.hpp"
#include "actors/observe/request_log.hpp"
#include "config/user_error.hpp"

using namespace troupe::actors::observe;
using nlohmann::json;
using std::string;

namespace {

struct TemporaryFolder {
  TemporaryFolder() {
    char name[] = "/tmp/troupe-logs-XXXXXX";
    path = mkdtemp(name);
  }

  ~TemporaryFolder() { std::filesystem::remove_all(path); }

  std::vector<string> lines(const string& file) const {
    std::vector<string> all;
    std::ifstream in(path / file);
    for (string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

  std::filesystem::path path;
};

string text_through_json(const string& text) {
  return json::parse(JsonLine().text("t", text).str())["t"];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(logs)

BOOST_AUTO_TEST_CASE(a_line_keeps_the_order_and_the_types_of_its_fields) {
  JsonLine line;
  line.text("a", "b").number("n", 18446744073709551615U).seconds("s", 0.25).flag("f", true);
  BOOST_TEST(line.null("z").str() ==
             R"({"a":"b","n":18446744073709551615,"s":0.25,"f":true,"z":null})");
  BOOST_TEST(JsonLine().str() == "{}");
}

BOOST_AUTO_TEST_CASE(every_byte_of_ascii_comes_back_from_a_parser) {
  string ascii;
  for (char c = 0; c < 127; ++c) ascii += c;
  ascii += '\x7F';
  BOOST_TEST(text_through_json(ascii) == ascii);
  BOOST_TEST((JsonLine().text("t", "a\nb\r").str().find_first_of("\n\r") == string::npos));
}

BOOST_AUTO_TEST_CASE(characters_of_every_length_come_back_from_a_parser) {
  const string text = "aé€😀\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF";
  BOOST_TEST(text_through_json(text) == text);
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_become_replacement_characters) {
  const string r = "\xEF\xBF\xBD";
  BOOST_TEST(text_through_json("a\xFFz") == "a" + r + "z");
  BOOST_TEST(text_through_json("\xC3") == r);
  BOOST_TEST(text_through_json("\xC0\x80") == r + r);
  BOOST_TEST(text_through_json("\xE0\x80\x80") == r + r + r);
  BOOST_TEST(text_through_json("\xED\xA0\x80") == r + r + r);
  BOOST_TEST(text_through_json("\xF4\x90\x80\x80") == r + r + r + r);
  BOOST_TEST(text_through_json("\xE2\x82"
                               "a") == r + r + "a");
}

BOOST_AUTO_TEST_CASE(numbers_that_json_cannot_hold_are_null) {
  JsonLine line;
  line.seconds("i", std::numeric_limits<double>::infinity());
  BOOST_TEST(line.seconds("n", std::nan("")).str() == R"({"i":null,"n":null})");
}

BOOST_AUTO_TEST_CASE(each_file_that_follows_another_begins_with_the_head) {
  const TemporaryFolder folder;
  int heads = 0;
  LogFile log(folder.path / "a.log", {.file_bytes_max = 20}, [&heads] {
    return "head " + std::to_string(++heads) + "\nof two lines";
  });
  log.append("the first file");
  BOOST_TEST(heads == 0);
  log.append("the second file");
  log.append("the third file");
  const std::vector<string> second{"head 1", "of two lines", "the second file"};
  const std::vector<string> third{"head 2", "of two lines", "the third file"};
  BOOST_TEST(folder.lines("a.log.1") == second, boost::test_tools::per_element());
  BOOST_TEST(folder.lines("a.log") == third, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lines_are_appended_and_survive_reopening) {
  const TemporaryFolder folder;
  LogFile(folder.path / "new" / "a.log").append("one");
  LogFile(folder.path / "new" / "a.log").append("two");
  const std::vector<string> expected{"one", "two"};
  BOOST_TEST(folder.lines("new/a.log") == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_full_file_becomes_number_one_and_the_oldest_is_dropped) {
  const TemporaryFolder folder;
  LogFile log(folder.path / "a.log", {.file_bytes_max = 10, .files_max = 3});
  for (const char* line : {"11111", "22222", "33333", "44444"}) log.append(line);
  BOOST_TEST(folder.lines("a.log").front() == "44444");
  BOOST_TEST(folder.lines("a.log.1").front() == "33333");
  BOOST_TEST(folder.lines("a.log.2").front() == "22222");
  BOOST_TEST(!std::filesystem::exists(folder.path / "a.log.3"));
}

BOOST_AUTO_TEST_CASE(what_a_file_held_before_it_was_opened_counts_towards_its_size) {
  const TemporaryFolder folder;
  LogFile(folder.path / "a.log").append("1234567");
  LogFile(folder.path / "a.log", {.file_bytes_max = 10, .files_max = 2}).append("abc");
  BOOST_TEST(folder.lines("a.log").front() == "abc");
  BOOST_TEST(folder.lines("a.log.1").front() == "1234567");
}

BOOST_AUTO_TEST_CASE(a_single_file_starts_over) {
  const TemporaryFolder folder;
  LogFile log(folder.path / "a.log", {.file_bytes_max = 10, .files_max = 1});
  log.append("12345678");
  log.append("abc");
  BOOST_TEST(folder.lines("a.log").size() == 1U);
  BOOST_TEST(folder.lines("a.log").front() == "abc");
}

BOOST_AUTO_TEST_CASE(a_line_longer_than_a_file_is_written_whole) {
  const TemporaryFolder folder;
  LogFile log(folder.path / "a.log", {.file_bytes_max = 4, .files_max = 2});
  log.append("a long line");
  BOOST_TEST(folder.lines("a.log").front() == "a long line");
}

BOOST_AUTO_TEST_CASE(a_full_disk_costs_lines_that_are_counted) {
  LogFile log("/dev/full");
  log.append("lost");
  log.append("lost too");
  BOOST_TEST(log.lost() == 2U);
}

BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_opened_is_refused_with_the_remedy) {
  BOOST_CHECK_EXCEPTION(
      LogFile("/proc/nowhere/a.log"), troupe::config::UserError, [](const auto& error) {
        const string text = error.what();
        return text.starts_with("/proc/nowhere/a.log: cannot open the log: ") &&
               text.find("--logs") != string::npos;
      });
}

BOOST_AUTO_TEST_CASE(lines_of_many_threads_do_not_mix) {
  const TemporaryFolder folder;
  {
    LogFile log(folder.path / "a.log", {.file_bytes_max = 4096, .files_max = 100});
    std::vector<std::jthread> writers;
    for (char name = 'a'; name < 'e'; ++name) {
      writers.emplace_back([&log, name] {
        for (int i = 0; i < 200; ++i) log.append(string(50, name));
      });
    }
  }
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder.path)) {
    for (const string& line : folder.lines(file.path().filename())) {
      BOOST_TEST(line == string(50, line.at(0)));
      ++count;
    }
  }
  BOOST_TEST(count == 800U);
}

BOOST_AUTO_TEST_CASE(an_access_line_has_its_fields_and_no_query) {
  const AccessRecord record{.proto = "http",
                            .method = "POST",
                            .path = "/v1/completions?prompt=secret",
                            .status = 200,
                            .request_id = "cmpl-1",
                            .prompt_tokens = 3,
                            .produced_tokens = 4,
                            .finish = "stop",
                            .duration_s = 1.5,
                            .first_token_s = 0.5};
  const json line = json::parse(record.to_line());
  BOOST_TEST(line["path"] == "/v1/completions");
  BOOST_TEST(line["status"] == 200);
  BOOST_TEST(line["prompt_tokens"] == 3);
  BOOST_TEST(line["produced_tokens"] == 4);
  BOOST_TEST(line["duration_s"] == 1.5);
  BOOST_TEST(line["ttft_s"] == 0.5);
  BOOST_TEST(line["ts_wall"].get<string>().size() == string("2026-01-31T23:59:59.123Z").size());
  BOOST_TEST(json::parse(AccessRecord{}.to_line())["ttft_s"].is_null());
}

BOOST_AUTO_TEST_CASE(a_client_cannot_make_a_line_long) {
  const string long_text(1'000'000, 'x');
  const AccessRecord access{.method = long_text, .path = long_text, .request_id = long_text};
  BOOST_TEST(access.to_line().size() < 3000U);
  const ErrorRecord error{.where = "link", .code = "c", .text = long_text, .request_id = ""};
  BOOST_TEST(error.to_line().size() < 1000U);
  BOOST_TEST(json::parse(error.to_line())["request_id"].is_null());
}

BOOST_AUTO_TEST_CASE(every_step_of_a_beat_is_a_line_of_the_performance_log) {
  using troupe::messages::StepRecord;
  const std::vector<StepRecord> records{
      {.step = 7,
       .unix_us = 1'700'000'000'123'456,
       .step_us = 950,
       .sequences = 3,
       .prefill_tokens = 42,
       .ops = {{"int8_linear", 700, 1'000, 84'000}, {"attention", 200, 300, 500}}},
      {.step = 8,
       .unix_us = 1'700'000'001'000'000,
       .step_us = 500,
       .sequences = 1,
       .decode_tokens = 1}};
  const TemporaryFolder folder;
  LogFile(folder.path / "performance.log").append(step_lines("worker-0", records));
  const auto lines = folder.lines("performance.log");
  BOOST_TEST_REQUIRE(lines.size() == 2U);
  const json first = json::parse(lines[0]);
  BOOST_TEST(first["ts_wall"] == "2023-11-14T22:13:20.123Z");
  BOOST_TEST(first["worker"] == "worker-0");
  BOOST_TEST(first["step"] == 7);
  BOOST_TEST(first["step_us"] == 950);
  BOOST_TEST(first["sequences"] == 3);
  BOOST_TEST(first["prefill_tokens"] == 42);
  BOOST_TEST(first["ops"].size() == 2U);
  BOOST_TEST(first["ops"]["int8_linear"]["us"] == 700);
  BOOST_TEST(first["ops"]["int8_linear"]["memory_bytes"] == 1'000);
  BOOST_TEST(first["ops"]["attention"]["operations"] == 500);
  BOOST_TEST(json::parse(lines[1])["decode_tokens"] == 1);
}

BOOST_AUTO_TEST_CASE(a_step_of_more_than_ten_seconds_is_a_line_of_the_error_log) {
  const std::vector<troupe::messages::StepRecord> records{
      {.step = 7, .step_us = 10'000'000},
      {.step = 8, .step_us = 12'345'678, .sequences = 3},
      {.step = 9, .step_us = 5}};
  const json line = json::parse(slow_step_lines("worker-0", records));
  BOOST_TEST(line["where"] == "worker-0");
  BOOST_TEST(line["code"] == "slow_call");
  BOOST_TEST(line["text"] == "step 8 of 3 sequences took 12 s");
  BOOST_TEST(slow_step_lines("worker-0", {}).empty());
}

BOOST_AUTO_TEST_CASE(no_steps_are_no_lines) { BOOST_TEST(step_lines("worker-0", {}).empty()); }

BOOST_AUTO_TEST_SUITE_END()

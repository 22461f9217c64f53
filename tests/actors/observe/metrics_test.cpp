// Names and values of the exposed metrics.
#include "actors/observe/metrics.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

using std::string;
using troupe::actors::observe::Metrics;

namespace {

bool has_line(const string& text, const string& line) {
  return ("\n" + text).find("\n" + line + "\n") != string::npos;
}

// Everything that the front knows how to count, once.
void touch_all(Metrics& metrics) {
  metrics.request_accepted();
  metrics.request_finished("stop");
  metrics.request_refused("overload");
  metrics.set_requests(std::array<std::uint64_t, 2>{2, 0}, 3);
  metrics.set_conservation_error(0);
  metrics.observe_time_to_first_token(0.2);
  metrics.observe_inter_token(0.02);
  metrics.observe_request(2.0);
  metrics.observe_queue(0.1);
  metrics.observe_stage("preprocess", 0.0005);
  metrics.observe_step(0.02);
  metrics.add_prompt_tokens(7);
  metrics.add_generated_tokens(5);
  metrics.observe_generated_tokens(5);
  metrics.observe_batch_size(4);
  metrics.set_kv_blocks("worker-0", 10, 5, 85);
  metrics.set_hit_tokens("worker-0", 64);
  metrics.set_preemptions("worker-0", 2);
  metrics.set_nonfinite("worker-0", 1);
  metrics.set_child_up("worker-0", true);
  metrics.child_restarted("worker-0", "SIGKILL");
  metrics.set_stale_messages(1);
  metrics.set_ledger_lost(2);
  metrics.request_resumed();
  metrics.link_refusal();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(metrics)

BOOST_AUTO_TEST_CASE(the_names_are_those_that_users_rely_on) {
  Metrics metrics;
  touch_all(metrics);
  std::set<string> names;
  std::istringstream text(metrics.expose());
  for (string line; std::getline(text, line);) {
    if (line.starts_with("# TYPE ")) names.insert(line.substr(7));
  }
  const std::set<string> expected{"process_cpu_seconds_total counter",
                                  "process_open_fds gauge",
                                  "process_resident_memory_bytes gauge",
                                  "troupe_batch_size histogram",
                                  "troupe_child_up gauge",
                                  "troupe_generated_tokens histogram",
                                  "troupe_generated_tokens_total counter",
                                  "troupe_inter_token_seconds histogram",
                                  "troupe_kv_blocks gauge",
                                  "troupe_ledger_lost_frames_total counter",
                                  "troupe_link_refusals_total counter",
                                  "troupe_nonfinite_total counter",
                                  "troupe_preemptions_total counter",
                                  "troupe_prefix_cache_hit_tokens_total counter",
                                  "troupe_prompt_tokens histogram",
                                  "troupe_prompt_tokens_total counter",
                                  "troupe_queue_seconds histogram",
                                  "troupe_request_seconds histogram",
                                  "troupe_requests_accepted_total counter",
                                  "troupe_requests_conservation_error gauge",
                                  "troupe_requests_finished_total counter",
                                  "troupe_requests_queued gauge",
                                  "troupe_requests_refused_total counter",
                                  "troupe_requests_running gauge",
                                  "troupe_restarts_total counter",
                                  "troupe_resumed_requests_total counter",
                                  "troupe_stage_seconds histogram",
                                  "troupe_stale_messages_total counter",
                                  "troupe_step_seconds histogram",
                                  "troupe_time_to_first_token_seconds histogram"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_was_counted_is_exposed_with_its_labels) {
  Metrics metrics;
  touch_all(metrics);
  const string text = metrics.expose();
  for (const char* line : {"troupe_requests_accepted_total 1",
                           "troupe_requests_finished_total{reason=\"stop\"} 1",
                           "troupe_requests_refused_total{reason=\"overload\"} 1",
                           "troupe_requests_queued{priority=\"0\"} 2",
                           "troupe_requests_queued{priority=\"1\"} 0",
                           "troupe_requests_running 3",
                           "troupe_requests_conservation_error 0",
                           "troupe_time_to_first_token_seconds_bucket{le=\"0.1\"} 0",
                           "troupe_time_to_first_token_seconds_bucket{le=\"0.25\"} 1",
                           "troupe_time_to_first_token_seconds_count 1",
                           "troupe_inter_token_seconds_count 1",
                           "troupe_request_seconds_sum 2",
                           "troupe_queue_seconds_count 1",
                           "troupe_stage_seconds_count{stage=\"preprocess\"} 1",
                           "troupe_step_seconds_count 1",
                           "troupe_prompt_tokens_total 7",
                           "troupe_prompt_tokens_sum 7",
                           "troupe_generated_tokens_total 5",
                           "troupe_generated_tokens_bucket{le=\"4\"} 0",
                           "troupe_generated_tokens_bucket{le=\"16\"} 1",
                           "troupe_batch_size_sum 4",
                           "troupe_kv_blocks{state=\"used\",worker=\"worker-0\"} 10",
                           "troupe_kv_blocks{state=\"free\",worker=\"worker-0\"} 85",
                           "troupe_kv_blocks{state=\"cached\",worker=\"worker-0\"} 5",
                           "troupe_prefix_cache_hit_tokens_total{worker=\"worker-0\"} 64",
                           "troupe_preemptions_total{worker=\"worker-0\"} 2",
                           "troupe_nonfinite_total{worker=\"worker-0\"} 1",
                           "troupe_child_up{child=\"worker-0\"} 1",
                           "troupe_restarts_total{child=\"worker-0\",reason=\"SIGKILL\"} 1",
                           "troupe_stale_messages_total 1",
                           "troupe_ledger_lost_frames_total 2",
                           "troupe_resumed_requests_total 1",
                           "troupe_link_refusals_total 1"}) {
    BOOST_TEST(has_line(text, line), line);
  }
}

BOOST_AUTO_TEST_CASE(every_known_reason_is_there_before_its_first_event) {
  Metrics metrics;
  const string text = metrics.expose();
  for (const char* reason : {"stop", "length", "cancelled", "deadline", "error"}) {
    BOOST_TEST(
        has_line(text, "troupe_requests_finished_total{reason=\"" + string(reason) + "\"} 0"));
  }
  for (const char* reason : {"open", "limit", "deadline", "overload", "draining", "invalid"}) {
    BOOST_TEST(
        has_line(text, "troupe_requests_refused_total{reason=\"" + string(reason) + "\"} 0"));
  }
}

BOOST_AUTO_TEST_CASE(totals_of_a_restarted_worker_go_on_counting) {
  Metrics metrics;
  metrics.set_preemptions("worker-0", 5);
  metrics.set_preemptions("worker-0", 7);
  metrics.set_preemptions("worker-0", 3);
  metrics.set_preemptions("worker-1", 1);
  const string text = metrics.expose();
  BOOST_TEST(has_line(text, "troupe_preemptions_total{worker=\"worker-0\"} 10"));
  BOOST_TEST(has_line(text, "troupe_preemptions_total{worker=\"worker-1\"} 1"));
}

BOOST_AUTO_TEST_CASE(label_values_beyond_the_bound_share_one_series) {
  Metrics metrics;
  for (int i = 0; i < 1000; ++i) metrics.request_finished("reason " + std::to_string(i));
  const string text = metrics.expose();
  std::size_t series = 0;
  for (std::size_t at = 0; (at = text.find("troupe_requests_finished_total{", at)) != string::npos;
       ++at) {
    ++series;
  }
  BOOST_TEST(series == 65U);
  BOOST_TEST(has_line(text, "troupe_requests_finished_total{reason=\"other\"} 942"));
}

BOOST_AUTO_TEST_CASE(the_process_itself_is_measured) {
  Metrics metrics;
  const string text = metrics.expose();
  for (const char* name : {"process_resident_memory_bytes ", "process_open_fds "}) {
    const std::size_t at = text.find("\n" + string(name));
    BOOST_REQUIRE(at != string::npos);
    BOOST_TEST(std::stod(text.substr(at + 1 + string(name).size())) > 0.0);
  }
}

BOOST_AUTO_TEST_CASE(counts_of_many_threads_add_up) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&metrics] {
        for (int n = 0; n < 500; ++n) {
          metrics.request_finished("length");
          metrics.observe_stage("batch", 0.001);
          metrics.set_preemptions("worker-0", 1);
        }
        metrics.expose();
      });
    }
  }
  const string text = metrics.expose();
  BOOST_TEST(has_line(text, "troupe_requests_finished_total{reason=\"length\"} 2000"));
  BOOST_TEST(has_line(text, "troupe_stage_seconds_count{stage=\"batch\"} 2000"));
  BOOST_TEST(has_line(text, "troupe_preemptions_total{worker=\"worker-0\"} 1"));
}

BOOST_AUTO_TEST_SUITE_END()

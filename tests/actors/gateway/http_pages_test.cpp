// Status codes, headers and pages, without a socket.
#include <boost/test/unit_test.hpp>

#include "actors/gateway/failure_reply.hpp"
#include "actors/gateway/http_routes.hpp"
#include "actors/gateway/json_text.hpp"
#include "actors/gateway/reply_queue.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::FailureCode;

std::string header(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

NodeFacts facts() {
  return {.model = "org/tiny",
          .context_max = 2048,
          .started_unix = 1700,
          .version = "0.1.0",
          .numerics_id = "n1",
          .ready = true};
}

BOOST_AUTO_TEST_SUITE(http_pages)

BOOST_AUTO_TEST_CASE(every_failure_has_its_status_and_its_name) {
  const struct {
    FailureCode code;
    int status;
    const char* name;
  } rows[] = {{FailureCode::kInvalid, 400, "invalid"},
              {FailureCode::kTooLarge, 413, "too_large"},
              {FailureCode::kOverload, 429, "overload"},
              {FailureCode::kDraining, 503, "draining"},
              {FailureCode::kUnavailable, 503, "unavailable"},
              {FailureCode::kDeadline, 408, "deadline"},
              {FailureCode::kWorkerLost, 500, "worker_lost"},
              {FailureCode::kInternal, 500, "internal"},
              {static_cast<FailureCode>(200), 500, "internal"}};

  for (const auto& row : rows) {
    const ApiError error = to_api_error(messages::Failure{.code = row.code, .message = "m"});
    BOOST_TEST(error.status == row.status);
    BOOST_TEST(error.code == row.name);
    BOOST_TEST(zmq_code(row.code) == row.name);
  }
}

BOOST_AUTO_TEST_CASE(advice_to_retry_is_in_both_headers_and_bounded) {
  const auto response = error_response({.status = 429, .message = "m", .retry_after_ms = 2'500});
  BOOST_TEST(header(response, "Retry-After") == "3");
  BOOST_TEST(header(response, "retry-after-ms") == "2500");
  const auto far = error_response({.status = 503, .message = "m", .retry_after_ms = 999'999});
  BOOST_TEST(header(far, "Retry-After") == "120");
  BOOST_TEST(header(error_response({.status = 503, .message = "m"}), "retry-after-ms") == "1000");
  BOOST_TEST(header(error_response({.status = 500, .message = "m"}), "Retry-After") == "");
}

BOOST_AUTO_TEST_CASE(a_missed_deadline_forbids_the_automatic_retry) {
  const auto response = error_response({.status = 408, .message = "m"});
  BOOST_TEST(header(response, "x-should-retry") == "false");
}

BOOST_AUTO_TEST_CASE(paths_and_methods_are_matched) {
  BOOST_TEST(!refuse_route("POST", "/v1/chat/completions"));
  BOOST_TEST(!refuse_route("HEAD", "/health?verbose=1"));
  BOOST_TEST(refuse_route("POST", "/v1/nothing")->status == 404);
  BOOST_TEST(refuse_route("GET", "*")->status == 404);
  const auto wrong = refuse_route("GET", "/v1/completions");
  BOOST_REQUIRE(wrong);
  BOOST_TEST(wrong->status == 405);
  BOOST_TEST(header(*wrong, "Allow") == "POST");
  BOOST_TEST(Json::parse(wrong->body)["error"]["code"] == "method_not_allowed");
  BOOST_TEST(header(*refuse_route("DELETE", "/v1/models"), "Allow") == "GET, HEAD");
}

BOOST_AUTO_TEST_CASE(model_names_are_percent_decoded) {
  BOOST_TEST(match_route("/v1/models/org%2Ftiny")->model == "org/tiny");
  BOOST_TEST(match_route("/v1/models/org/tiny")->model == "org/tiny");
  BOOST_TEST(match_route("/v1/models/a%2")->model == "a%2");
  BOOST_TEST(match_route("/v1/models/%zz%4")->model == "%zz%4");
  BOOST_TEST(!match_route("/v1/models/"));
}

BOOST_AUTO_TEST_CASE(the_model_pages_name_the_one_model) {
  const Json list = Json::parse(models_page(facts()).body);
  BOOST_TEST(list["object"] == "list");
  BOOST_TEST(list["data"][0]["id"] == "org/tiny");
  BOOST_TEST(list["data"][0]["object"] == "model");
  BOOST_TEST(model_page(facts(), "org/tiny").status == 200);
  BOOST_TEST(model_page(facts(), "other").status == 404);
}

BOOST_AUTO_TEST_CASE(readiness_is_about_workers_and_liveness_is_not) {
  NodeFacts node = facts();
  BOOST_TEST(ready_page(node).status == 200);
  node.ready = false;
  BOOST_TEST(ready_page(node).status == 503);
  node.ready = true;
  node.draining = true;
  BOOST_TEST(ready_page(node).status == 503);
  BOOST_TEST(live_page().status == 200);
}

BOOST_AUTO_TEST_CASE(responses_are_framed_by_their_length) {
  const HttpResponse response{.status = 200, .body = "{}"};
  BOOST_TEST(to_bytes(response, {.date = "D"}) ==
             "HTTP/1.1 200 OK\r\nServer: troupe\r\nDate: D\r\nConnection: keep-alive\r\n"
             "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  BOOST_TEST(
      to_bytes(response, {.keep_alive = false, .head_only = true})
          .ends_with(
              "Connection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(streams_are_chunked_where_http_allows) {
  BOOST_TEST(stream_head({}, {}).ends_with("Transfer-Encoding: chunked\r\n\r\n"));
  BOOST_TEST(stream_head({}, {.chunked = false}).find("chunked") == std::string::npos);
  BOOST_TEST(chunk("0123456789abcdefg") == "11\r\n0123456789abcdefg\r\n");
}

BOOST_AUTO_TEST_CASE(what_queues_during_a_write_leaves_in_the_next) {
  ReplyQueue queue(10);
  BOOST_TEST(queue.push("a"));
  BOOST_TEST(queue.take() == "a");
  BOOST_TEST(queue.push("bc"));
  BOOST_TEST(queue.push("de"));
  queue.written();
  BOOST_TEST(queue.take() == "bcde");
}

BOOST_AUTO_TEST_CASE(a_reader_that_lags_by_more_than_the_bound_is_too_slow) {
  ReplyQueue queue(10);
  BOOST_TEST(queue.push(std::string(100, 'x')));  // nothing in flight: the reader is not late yet
  queue.take();
  BOOST_TEST(queue.push(std::string(10, 'x')));
  BOOST_TEST(!queue.push("y"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway

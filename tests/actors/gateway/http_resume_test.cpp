// HTTP calls with an Idempotency-Key: they outlive their connection and their front, and run once.
#include <boost/test/unit_test.hpp>

#include "actors/gateway/event_id.hpp"
#include "tests/actors/gateway/core_fixture.hpp"

namespace troupe::actors::gateway::tests {
namespace {

using messages::CancelRequest;
using messages::FailureCode;
using messages::GenerateRequest;

struct Fixture : CoreFixture {
  Effects post(ConnectionId connection,
               const std::string& fields,
               const std::string& key = "k",
               const std::string& last_event_id = "",
               const std::string& authorization = "") {
    return core.on_http({.connection = connection,
                         .method = "POST",
                         .target = "/v1/completions",
                         .body = R"({"prompt": "a")" + fields + "}",
                         .idempotency_key = key,
                         .last_event_id = last_event_id,
                         .authorization = authorization},
                        now);
  }

  // Everything written to `connection`.
  static std::string written_to(ConnectionId connection, const Effects& effects) {
    std::string bytes;
    for (const auto& write : all<HttpStreamWrite>(effects)) {
      if (write.connection == connection) bytes += write.bytes;
    }
    return bytes;
  }
};

const std::string kStream = R"(, "stream": true)";

BOOST_FIXTURE_TEST_SUITE(http_resume, Fixture)

BOOST_AUTO_TEST_CASE(event_ids_hold_the_offset_of_every_answer) {
  BOOST_TEST(event_id("r", {3, 5}) == "r:3,5");
  BOOST_CHECK((read_event_id("r:3,5", "r", 2) == std::vector<std::uint64_t>{3, 5}));
  BOOST_CHECK((read_event_id("", "r", 2) == std::vector<std::uint64_t>{0, 0}));
  for (const char* wrong :
       {"r", "r:", "r:3", "r:3,", "r:3,5,7", "q:3,5", "r:a,b", "r:3,5x", "r:-1,2"}) {
    BOOST_CHECK_MESSAGE(!read_event_id(wrong, "r", 2), wrong);
  }
}

BOOST_AUTO_TEST_CASE(a_lost_connection_is_followed_by_another_that_gets_the_rest) {
  BOOST_TEST(all<GenerateRequest>(post(1, kStream)).size() == 1U);
  chunk(text_chunk(kFirstId, "Hel"));
  BOOST_TEST(all<CancelRequest>(core.on_gone(1, now)).empty());
  BOOST_TEST(all<HttpStreamWrite>(chunk(text_chunk(kFirstId, "lo", 1))).empty());
  const Effects effects = post(2, kStream, "k", "cmpl-30000000001:3");
  BOOST_TEST(all<GenerateRequest>(effects).empty());
  const std::string rest = written_to(2, effects);
  BOOST_TEST(rest.find(R"("text":"lo")") != std::string::npos);
  BOOST_TEST(rest.find("Hel") == std::string::npos);
  BOOST_TEST(written_to(2, chunk(final_chunk(kFirstId))).find("[DONE]") != std::string::npos);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(an_ended_call_is_given_again_until_its_time_is_over) {
  post(1, kStream);
  chunk(text_chunk(kFirstId, "Hi"));
  chunk(final_chunk(kFirstId));
  const std::string again = written_to(2, post(2, kStream));
  BOOST_TEST(again.find(R"("text":"Hi")") != std::string::npos);
  BOOST_TEST(again.find("[DONE]") != std::string::npos);
  now.mono_ms += config::kResumeGraceDefault.count() + 1;
  core.on_tick(now);
  BOOST_TEST(all<GenerateRequest>(post(3, kStream)).size() == 1U);  // forgotten: a new call
}

BOOST_AUTO_TEST_CASE(a_whole_answer_waits_for_its_client) {
  post(1, "");
  chunk(text_chunk(kFirstId, "Hi"));
  core.on_gone(1, now);
  chunk(final_chunk(kFirstId));
  const auto reply = only<HttpRespond>(post(2, ""));
  BOOST_TEST(reply.response.status == 200);
  BOOST_TEST(reply.response.body.find(R"("text":"Hi")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_failed_call_is_not_run_again_under_its_key) {
  post(1, "");
  chunk(accepted_chunk(kFirstId));
  chunk(error_chunk(kFirstId, FailureCode::kQuarantined));
  const Effects effects = post(2, "");
  BOOST_TEST(all<GenerateRequest>(effects).empty());
  BOOST_TEST(only<HttpRespond>(effects).response.status == 500);
}

BOOST_AUTO_TEST_CASE(a_refused_call_may_be_tried_again_under_its_key) {
  post(1, "");
  chunk(error_chunk(kFirstId, FailureCode::kOverload));
  BOOST_TEST(all<GenerateRequest>(post(2, "")).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_call_that_nobody_comes_back_for_is_cancelled) {
  post(1, kStream);
  chunk(accepted_chunk(kFirstId));
  core.on_gone(1, now);
  now.mono_ms += config::kResumeGraceDefault.count() + 1;
  BOOST_TEST(only<CancelRequest>(core.on_tick(now)).request_id == kFirstId);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(another_body_or_an_event_of_another_stream_is_refused) {
  post(1, kStream);
  BOOST_TEST(only<HttpRespond>(post(2, R"(, "stream": true, "seed": 7)")).response.status == 422);
  BOOST_TEST(only<HttpRespond>(post(3, kStream, "k", "cmpl-9:0")).response.status == 400);
  BOOST_TEST(only<HttpRespond>(post(4, kStream, "new", "cmpl-9:0")).response.status == 404);
  BOOST_TEST(only<HttpRespond>(post(5, kStream, std::string(129, 'k'))).response.status == 400);
}

BOOST_AUTO_TEST_CASE(an_event_that_was_never_sent_is_refused) {
  post(1, kStream);
  chunk(text_chunk(kFirstId, "Hel"));
  const auto refused = only<HttpRespond>(post(2, kStream, "k", "cmpl-30000000001:4"));
  BOOST_TEST(refused.response.status == 400);
  BOOST_TEST(!written_to(1, chunk(text_chunk(kFirstId, "lo", 1))).empty());  // it goes on
}

BOOST_AUTO_TEST_CASE(a_failed_stream_gives_its_text_before_the_failure) {
  post(1, kStream);
  chunk(text_chunk(kFirstId, "Hel"));
  core.on_gone(1, now);
  chunk(text_chunk(kFirstId, "lo", 1));
  chunk(error_chunk(kFirstId, FailureCode::kInternal));
  const std::string rest = written_to(2, post(2, kStream, "k", "cmpl-30000000001:3"));
  BOOST_TEST(rest.find(R"("text":"lo")") != std::string::npos);
  BOOST_TEST(rest.find("why") > rest.find(R"("text":"lo")"));
  BOOST_TEST(rest.find(R"("finish_reason":")") == std::string::npos);
  BOOST_TEST(rest.ends_with(kDoneEvent));
}

BOOST_AUTO_TEST_CASE(log_probabilities_without_text_come_with_the_next_text_or_the_end) {
  const auto with_logprob = [](std::string text, std::uint32_t token, float logprob) {
    messages::ReplyChunk piece = text_chunk(kFirstId, std::move(text), token);
    piece.logprobs = {{.chosen = {.token = 7, .bytes = "t", .logprob = logprob}, .top = {}}};
    return piece;
  };
  post(1, R"(, "stream": true, "logprobs": 0)");
  chunk(with_logprob("a", 0, -0.25F));
  BOOST_TEST(written_to(1, chunk(with_logprob("", 1, -0.5F))).empty());
  const std::string joined = written_to(1, chunk(with_logprob("b", 2, -0.75F)));
  BOOST_TEST(joined.find("[-0.5,-0.75]") != std::string::npos);
  chunk(with_logprob("", 3, -1.5F));
  const std::string end = written_to(1, chunk(final_chunk(kFirstId)));
  BOOST_TEST(end.find("[-1.5]") != std::string::npos);
  const std::string rest =
      written_to(2, post(2, R"(, "stream": true, "logprobs": 0)", "k", "cmpl-30000000001:1"));
  BOOST_TEST(count(rest, "[-0.5,-0.75]") == 1U);
  BOOST_TEST(count(rest, "[-1.5]") == 1U);
}

BOOST_AUTO_TEST_CASE(a_key_belongs_to_its_caller) {
  post(1, kStream, "k", "", "Bearer one");
  BOOST_TEST(all<GenerateRequest>(post(2, kStream, "k", "", "Bearer two")).size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_older_connection_is_ended_when_a_newer_one_takes_over) {
  post(1, kStream);
  chunk(text_chunk(kFirstId, "Hi"));
  const Effects effects = post(2, kStream);
  BOOST_TEST(only<HttpStreamEnd>(effects).connection == 1U);
  const std::string last = written_to(1, effects);
  BOOST_TEST(last.find("another connection") != std::string::npos);
  BOOST_TEST(last.ends_with(kDoneEvent));
  BOOST_TEST(core.on_gone(1, now).empty());
  BOOST_TEST(!written_to(2, chunk(text_chunk(kFirstId, "!", 1))).empty());
}

BOOST_AUTO_TEST_CASE(a_key_of_a_call_that_a_drain_ended_names_no_call_any_more) {
  post(1, kStream);
  chunk(accepted_chunk(kFirstId));
  core.fail_all(now);
  BOOST_TEST(all<GenerateRequest>(post(2, kStream)).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_call_of_the_front_before_goes_on) {
  post(1, R"(, "stream": true, "n": 2)");
  std::vector<RestoredAnswer> answers;
  for (const GenerateRequest& request :
       all<GenerateRequest>(post(9, R"(, "stream": true, "n": 2)", "other"))) {
    answers.push_back(
        {.request = {.request_id = request.request_id,
                     .call_first = request.call_first,
                     .call_size = request.call_size,
                     .origin = request.origin},
         .chunks = {accepted_chunk(request.request_id), text_chunk(request.request_id, "Hel")}});
  }
  BOOST_REQUIRE(answers.size() == 2U);
  GatewayCore next{core_options()};
  next.on_readiness({.ready = true, .numerics_id = "n1"});
  BOOST_TEST(next.restore(answers, now).empty());
  BOOST_TEST(next.open_calls() == 1U);
  const std::string head = "cmpl-30000000003";
  const Effects effects = next.on_http({.connection = 1,
                                        .method = "POST",
                                        .target = "/v1/completions",
                                        .body = R"({"prompt": "a", "stream": true, "n": 2})",
                                        .idempotency_key = "other",
                                        .last_event_id = head + ":3,0"},
                                       now);
  const std::string rest = written_to(1, effects);
  BOOST_TEST(count(rest, R"("text":"Hel")") == 1U);
  BOOST_TEST(count(rest, "id: " + head + ":3,3\n") == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway::tests

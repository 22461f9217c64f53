// The HTTP half of the core: expansion, merging, cancelling, refusing.
#include "actors/gateway/json_text.hpp"
#include "tests/actors/gateway/core_fixture.hpp"

namespace troupe::actors::gateway::tests {
namespace {

using messages::CancelRequest;
using messages::FailureCode;
using messages::FinishReason;
using messages::GenerateRequest;

BOOST_FIXTURE_TEST_SUITE(gateway_core, CoreFixture)

BOOST_AUTO_TEST_CASE(request_ids_carry_the_epoch_and_never_repeat) {
  BOOST_TEST(only<GenerateRequest>(chat(1)).request_id == kFirstId);
  BOOST_TEST(only<GenerateRequest>(chat(2)).request_id == kFirstId + 1);
}

BOOST_AUTO_TEST_CASE(a_seed_is_drawn_when_the_client_gave_none) {
  BOOST_TEST(only<GenerateRequest>(chat(1)).sampling.seed == 77U);
  BOOST_TEST(only<GenerateRequest>(chat(2, R"(, "seed": 0)")).sampling.seed == 0U);
}

BOOST_AUTO_TEST_CASE(n_answers_of_each_prompt_become_requests_prompt_by_prompt) {
  const auto requests =
      all<GenerateRequest>(complete(1, R"("prompt": ["a", "b"], "n": 3, "priority": 2)"));
  BOOST_REQUIRE_EQUAL(requests.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    BOOST_TEST(requests[i].request_id == kFirstId + i);
    BOOST_TEST(requests[i].prompt == (i < 3 ? "a" : "b"));
    BOOST_TEST(requests[i].sampling.choice == i % 3);
    BOOST_TEST(requests[i].sampling.seed == requests[0].sampling.seed);
    BOOST_TEST(requests[i].priority == 2U);
  }
}

BOOST_AUTO_TEST_CASE(the_answers_of_a_call_say_that_they_belong_together) {
  const auto requests =
      all<GenerateRequest>(complete(1, R"("prompt": ["a", "b"], "n": 2, "cache_salt": "tenant")"));
  BOOST_REQUIRE_EQUAL(requests.size(), 4U);
  for (const GenerateRequest& request : requests) {
    BOOST_TEST(request.call_first == kFirstId);
    BOOST_TEST(request.call_size == 4U);
    BOOST_TEST(request.cache_salt == "tenant");
  }
}

BOOST_AUTO_TEST_CASE(a_call_of_more_answers_than_the_queue_holds_is_refused_for_good) {
  GatewayCoreOptions options = core_options();
  options.queued_max = 3;
  GatewayCore small{options};
  small.on_readiness({.ready = true, .numerics_id = "n1"});
  const auto effects = small.on_http({.connection = 1,
                                      .method = "POST",
                                      .target = "/v1/completions",
                                      .body = R"({"prompt": ["a", "b"], "n": 2})"},
                                     now);
  const auto respond = only<HttpRespond>(effects);
  BOOST_TEST(respond.response.status == 400);
  BOOST_TEST(Json::parse(respond.response.body)["error"]["param"] == "n");
  BOOST_TEST(respond.response.body.find("the queue holds 3") != std::string::npos);
  BOOST_TEST(all<GenerateRequest>(effects).empty());
}

BOOST_AUTO_TEST_CASE(a_whole_reply_waits_for_its_final_chunk) {
  chat(1);
  BOOST_TEST(chunk(accepted_chunk(kFirstId)).empty());
  BOOST_TEST(chunk(text_chunk(kFirstId, "Hel")).empty());
  BOOST_TEST(chunk(text_chunk(kFirstId, "lo", 1)).empty());
  const auto respond = only<HttpRespond>(chunk(final_chunk(kFirstId)));
  BOOST_TEST(respond.connection == 1U);
  BOOST_TEST(respond.response.status == 200);
  const Json reply = Json::parse(respond.response.body);
  BOOST_TEST(reply["id"] == "chatcmpl-30000000001");
  BOOST_TEST(reply["choices"][0]["message"]["content"] == "Hello");
  BOOST_TEST(reply["usage"]["total_tokens"] == 7);
  BOOST_TEST(reply["usage"]["prompt_tokens_details"]["cached_tokens"] == 3);
  BOOST_TEST(reply["system_fingerprint"] == "n1");
  BOOST_TEST(respond.note.finish == "stop");
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_stream_begins_when_its_request_is_accepted) {
  BOOST_TEST(all<HttpStreamBegin>(chat(1, R"(, "stream": true)")).empty());
  const Effects begun = chunk(accepted_chunk(kFirstId));
  BOOST_TEST(only<HttpStreamBegin>(begun).head.status == 200);
  BOOST_TEST(count(written(begun), R"("role":"assistant")") == 1U);
}

BOOST_AUTO_TEST_CASE(a_stream_is_role_text_reason_usage_done) {
  chat(1, R"(, "stream": true, "stream_options": {"include_usage": true})");
  std::string stream = written(chunk(accepted_chunk(kFirstId)));
  stream += written(chunk(text_chunk(kFirstId, "Hi")));
  auto last = final_chunk(kFirstId, FinishReason::kLength);
  last.text = "!";
  const Effects end = chunk(last);
  stream += written(end);
  BOOST_TEST(only<HttpStreamEnd>(end).note.finish == "length");
  std::vector<std::string> events;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t next = stream.find("\n\n", at) + 2;
    events.push_back(stream.substr(at, next - at));
    at = next;
  }
  BOOST_REQUIRE_EQUAL(events.size(), 6U);
  BOOST_TEST(count(events[0], R"("role":"assistant")") == 1U);
  BOOST_TEST(count(events[1], R"("content":"Hi")") == 1U);
  BOOST_TEST(count(events[1], "id: chatcmpl-30000000001:2\n") == 1U);
  BOOST_TEST(count(events[2], R"("content":"!")") == 1U);
  BOOST_TEST(count(events[3], R"("delta":{},"logprobs":null,"finish_reason":"length")") == 1U);
  BOOST_TEST(count(events[4], R"("choices":[],"usage":{"prompt_tokens":5)") == 1U);
  BOOST_TEST(events[5] == kDoneEvent);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(without_the_option_there_is_no_usage_in_a_stream) {
  chat(1, R"(, "stream": true)");
  chunk(accepted_chunk(kFirstId));
  BOOST_TEST(count(written(chunk(final_chunk(kFirstId))), "usage") == 0U);
}

BOOST_AUTO_TEST_CASE(six_answers_merge_into_one_stream_with_one_end) {
  complete(1, R"("prompt": ["a", "b"], "n": 3, "stream": true,
                 "stream_options": {"include_usage": true})");
  for (std::uint64_t i = 0; i < 5; ++i) {
    BOOST_TEST(chunk(accepted_chunk(kFirstId + i)).empty());  // the sixth may still be refused
  }
  std::string stream = written(chunk(text_chunk(kFirstId, "early")));
  BOOST_TEST(stream.empty());
  stream += written(chunk(accepted_chunk(kFirstId + 5)));
  BOOST_TEST(count(stream, R"("text":"early")") == 1U);
  for (std::uint64_t i = 6; i-- > 0;) {
    stream += written(chunk(text_chunk(kFirstId + i, "t" + std::to_string(i), i == 0 ? 1 : 0)));
  }
  Effects end;
  for (std::uint64_t i = 0; i < 6; ++i) {
    BOOST_TEST(all<HttpStreamEnd>(end).empty());
    end = chunk(final_chunk(kFirstId + i));
    stream += written(end);
  }
  only<HttpStreamEnd>(end);
  for (std::uint64_t i = 0; i < 6; ++i) {
    const std::string number = std::to_string(i);
    BOOST_TEST(count(stream, R"("index":)" + number + R"(,"text":"t)" + number + "\"") == 1U);
  }
  BOOST_TEST(count(stream, R"("finish_reason":"stop")") == 6U);
  // Two prompts of 5 tokens, six answers of 2.
  BOOST_TEST(count(stream, R"("prompt_tokens":10,"completion_tokens":12)") == 1U);
  BOOST_TEST(count(stream, "[DONE]") == 1U);
}

BOOST_AUTO_TEST_CASE(whole_replies_keep_the_order_of_answers) {
  complete(1, R"("prompt": "a", "n": 2)");
  auto second = final_chunk(kFirstId + 1);
  second.text = "two";
  BOOST_TEST(chunk(second).empty());
  auto first = final_chunk(kFirstId);
  first.text = "one";
  const Json reply = Json::parse(only<HttpRespond>(chunk(first)).response.body);
  BOOST_TEST(reply["choices"][0]["text"] == "one");
  BOOST_TEST(reply["choices"][1]["text"] == "two");
}

BOOST_AUTO_TEST_CASE(a_refusal_before_the_head_gets_its_own_status) {
  chat(1, R"(, "stream": true)");
  const auto respond = only<HttpRespond>(chunk(error_chunk(kFirstId, FailureCode::kOverload)));
  BOOST_TEST(respond.response.status == 429);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_failure_in_a_stream_is_an_error_frame_and_done) {
  chat(1, R"(, "stream": true)");
  chunk(accepted_chunk(kFirstId));
  const Effects end = chunk(error_chunk(kFirstId, FailureCode::kWorkerLost));
  const std::string stream = written(end);
  BOOST_TEST(stream.starts_with("data: {\"error\":"));
  BOOST_TEST(stream.ends_with(kDoneEvent));
  BOOST_TEST(only<HttpStreamEnd>(end).note.finish == "worker_lost");
  BOOST_TEST(all<CancelRequest>(end).empty());
}

BOOST_AUTO_TEST_CASE(one_failed_answer_ends_the_call_and_cancels_the_others) {
  complete(1, R"("prompt": "a", "n": 3)");
  chunk(final_chunk(kFirstId));
  const Effects effects = chunk(error_chunk(kFirstId + 1, FailureCode::kDeadline));
  BOOST_TEST(only<HttpRespond>(effects).response.status == 408);
  BOOST_TEST(only<CancelRequest>(effects).request_id == kFirstId + 2);
  BOOST_TEST(chunk(final_chunk(kFirstId + 2)).empty());
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_cancels_every_open_answer) {
  complete(1, R"("prompt": "a", "n": 3, "stream": true)");
  chunk(final_chunk(kFirstId + 1));
  const auto cancels = all<CancelRequest>(core.on_gone(1, now));
  BOOST_REQUIRE_EQUAL(cancels.size(), 2U);
  BOOST_TEST(cancels[0].request_id == kFirstId);
  BOOST_TEST(cancels[1].request_id == kFirstId + 2);
  BOOST_TEST(core.open_calls() == 0U);
  BOOST_TEST(chunk(text_chunk(kFirstId, "late")).empty());
  BOOST_TEST(core.on_gone(1, now).empty());
}

BOOST_AUTO_TEST_CASE(another_clients_call_survives) {
  chat(1, R"(, "stream": true)");
  chat(2, R"(, "stream": true)");
  core.on_gone(1, now);
  BOOST_TEST(!written(chunk(accepted_chunk(kFirstId + 1))).empty());
}

BOOST_AUTO_TEST_CASE(silent_streams_get_pings_and_others_do_not) {
  chat(1, R"(, "stream": true)");
  chat(2, R"(, "stream": true)");  // not accepted yet: no head, so nothing may be written
  chunk(accepted_chunk(kFirstId));
  now.mono_ms += config::kSsePingInterval.count() - 1;
  BOOST_TEST(core.on_tick(now).empty());
  now.mono_ms += 1;
  const auto ping = only<HttpStreamWrite>(core.on_tick(now));
  BOOST_TEST(ping.connection == 1U);
  BOOST_TEST(ping.bytes == kPingEvent);
  BOOST_TEST(core.on_tick(now).empty());
}

BOOST_AUTO_TEST_CASE(tokens_without_text_make_no_event) {
  chat(1, R"(, "stream": true)");
  chunk(accepted_chunk(kFirstId));
  BOOST_TEST(chunk(text_chunk(kFirstId, "")).empty());
}

BOOST_AUTO_TEST_CASE(logprobs_are_streamed_with_offsets_that_go_on) {
  complete(1, R"("prompt": "a", "logprobs": 0, "stream": true)");
  auto first = text_chunk(kFirstId, "Hé");
  first.logprobs = {{.chosen = {.token = 1, .bytes = "Hé", .logprob = -1.0F}, .top = {}}};
  BOOST_TEST(count(written(chunk(first)), R"("text_offset":[0])") == 1U);
  auto second = text_chunk(kFirstId, "!", 1);
  second.logprobs = {{.chosen = {.token = 2, .bytes = "!", .logprob = -1.0F}, .top = {}}};
  BOOST_TEST(count(written(chunk(second)), R"("text_offset":[2])") == 1U);
}

BOOST_AUTO_TEST_CASE(a_bad_body_is_refused_and_counted) {
  const Effects effects = chat(1, R"(, "n": 99)");
  BOOST_TEST(only<HttpRespond>(effects).response.status == 400);
  BOOST_TEST(only<CountRefusal>(effects).reason == std::string("invalid"));
  BOOST_TEST(all<GenerateRequest>(effects).empty());
}

BOOST_AUTO_TEST_CASE(a_node_without_workers_refuses_with_advice) {
  core.on_readiness({.ready = false, .numerics_id = {}});
  const auto response = only<HttpRespond>(chat(1)).response;
  BOOST_TEST(response.status == 503);
  BOOST_TEST(response.headers.size() == 2U);
  BOOST_TEST(only<HttpRespond>(get("/health/ready")).response.status == 503);
  BOOST_TEST(only<HttpRespond>(get("/health/live")).response.status == 200);
  core.on_readiness({.ready = true, .numerics_id = "n1"});
  BOOST_TEST(only<HttpRespond>(get("/health")).response.status == 200);
}

BOOST_AUTO_TEST_CASE(a_draining_node_finishes_what_runs_and_takes_nothing_new) {
  chat(1);
  core.on_drain();
  BOOST_TEST(core.open_calls() == 1U);
  const auto refused = chat(2);
  BOOST_TEST(only<HttpRespond>(refused).response.status == 503);
  BOOST_TEST(only<CountRefusal>(refused).reason == std::string("draining"));
  BOOST_TEST(only<HttpRespond>(chunk(final_chunk(kFirstId))).response.status == 200);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_gateway_that_goes_ends_every_call_with_an_error) {
  chat(1, R"(, "stream": true)");
  chunk(accepted_chunk(kFirstId));
  chat(2);
  const Effects effects = core.fail_all(now);
  BOOST_TEST(only<HttpStreamWrite>(effects).bytes.ends_with(kDoneEvent));
  BOOST_TEST(only<HttpRespond>(effects).response.status == 503);
  BOOST_TEST(all<CancelRequest>(effects).size() == 2U);
  BOOST_TEST(core.open_calls() == 0U);
}

BOOST_AUTO_TEST_CASE(open_answers_are_bounded) {
  GatewayCoreOptions options = core_options();
  options.answers_max = 2;
  core = GatewayCore(std::move(options));
  core.on_readiness({.ready = true, .numerics_id = "n1"});
  chat(1);
  chat(2);
  BOOST_TEST(only<HttpRespond>(chat(3)).response.status == 429);
  chunk(final_chunk(kFirstId));
  BOOST_TEST(all<HttpRespond>(chat(3)).empty());
}

BOOST_AUTO_TEST_CASE(the_pages_are_there) {
  BOOST_TEST(Json::parse(only<HttpRespond>(get("/v1/models")).response.body)["data"][0]["id"] ==
             "tiny");
  BOOST_TEST(only<HttpRespond>(get("/v1/models/tiny")).response.status == 200);
  BOOST_TEST(only<HttpRespond>(get("/v1/models/huge")).response.status == 404);
  BOOST_TEST(Json::parse(only<HttpRespond>(get("/version")).response.body)["version"] == "0.1.0");
  BOOST_TEST(only<HttpMetrics>(get("/metrics")).connection == 1U);
  BOOST_TEST(only<HttpRespond>(get("/nothing")).response.status == 404);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway::tests

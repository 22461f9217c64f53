// Every rule for request bodies: what is taken, what is refused, and which field the refusal names.
#include "actors/gateway/openai_request.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace troupe::actors::gateway {
namespace {

const std::string kMessages = R"("messages": [{"role": "user", "content": "Hi"}])";

std::variant<ParsedCall, ApiError> parse(Endpoint endpoint, const std::string& fields) {
  return parse_call(endpoint, "{" + fields + "}", "tiny");
}

ParsedCall accepted(Endpoint endpoint, const std::string& fields) {
  auto parsed = parse(endpoint, fields);
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    BOOST_FAIL(fields + " → " + error->message);
  }
  return std::get<ParsedCall>(parsed);
}

ParsedCall chat(const std::string& fields) {
  return accepted(Endpoint::kChat, kMessages + (fields.empty() ? "" : ", ") + fields);
}

ParsedCall completion(const std::string& fields) {
  return accepted(Endpoint::kCompletions, fields);
}

struct Refusal {
  const char* fields;
  const char* param;
};

void check_refused(Endpoint endpoint, const std::string& fields, const std::string& param) {
  const auto parsed = parse(endpoint, fields);
  const auto* error = std::get_if<ApiError>(&parsed);
  BOOST_REQUIRE_MESSAGE(error != nullptr, fields << " was accepted");
  BOOST_TEST_CONTEXT(fields << " → " << error->message) {
    BOOST_TEST(error->status == 400);
    BOOST_TEST(error->param == param);
    BOOST_TEST(error->type == "invalid_request_error");
    BOOST_TEST(!error->message.empty());
  }
}

BOOST_AUTO_TEST_SUITE(openai_request)

BOOST_AUTO_TEST_CASE(a_chat_of_one_message_gets_the_defaults) {
  const ParsedCall call = chat("");
  BOOST_REQUIRE_EQUAL(call.prompts.size(), 1U);
  BOOST_TEST((call.prompts[0].kind == messages::PromptKind::kChat));
  BOOST_REQUIRE_EQUAL(call.prompts[0].turns.size(), 1U);
  BOOST_TEST((call.prompts[0].turns[0] == messages::ChatTurn{"user", "Hi"}));
  BOOST_TEST((call.sampling == messages::Sampling{}));
  BOOST_TEST(call.n == 1U);
  BOOST_TEST(call.priority == 5U);
  BOOST_TEST(!call.stream);
  BOOST_TEST(!call.seed_given);
}

BOOST_AUTO_TEST_CASE(every_sampling_field_arrives) {
  const ParsedCall call = chat(
      R"("temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "n": 3,
         "max_tokens": 7, "min_tokens": 2, "seed": -1, "frequency_penalty": -2,
         "presence_penalty": 2, "repetition_penalty": 1.1, "ignore_eos": true,
         "stop": ["a", "b"], "logit_bias": {"11": -100, "12": 5.5}, "logprobs": true,
         "top_logprobs": 4, "stream": true, "stream_options": {"include_usage": true},
         "priority": 0, "deadline_ms": 1500, "cache_salt": "tenant", "user": "someone")");
  messages::Sampling expected{.temperature = 0.5F,
                              .top_k = 40,
                              .top_p = 0.9F,
                              .min_p = 0.05F,
                              .repetition_penalty = 1.1F,
                              .frequency_penalty = -2.0F,
                              .presence_penalty = 2.0F,
                              .logit_bias = {{11, -100.0F}, {12, 5.5F}},
                              .seed = ~std::uint64_t{0},
                              .top_logprobs = 4,
                              .max_tokens = 7,
                              .min_tokens = 2,
                              .ignore_eos = true,
                              .stop = {"a", "b"}};
  BOOST_TEST((call.sampling == expected));
  BOOST_TEST(call.seed_given);
  BOOST_TEST(call.n == 3U);
  BOOST_TEST(call.stream);
  BOOST_TEST(call.include_usage);
  BOOST_TEST(call.priority == 0U);
  BOOST_TEST(call.deadline_ms == 1500U);
  BOOST_TEST(call.cache_salt == "tenant");
}

BOOST_AUTO_TEST_CASE(null_means_absent_and_unknown_fields_are_ignored) {
  const ParsedCall call = chat(
      R"("temperature": null, "stop": null, "tools": null, "seed": null, "logit_bias": null,
         "store": true, "metadata": {"a": "b"}, "service_tier": "auto", "x": [[[1]]])");
  BOOST_TEST((call.sampling == messages::Sampling{}));
  BOOST_TEST(!call.seed_given);
}

BOOST_AUTO_TEST_CASE(features_asked_for_with_their_default_are_no_fault) {
  chat(R"("tools": [], "response_format": {"type": "text"}, "modalities": ["text"],
          "best_of": 1, "suffix": "", "prompt_logprobs": false, "parallel_tool_calls": true)");
}

BOOST_AUTO_TEST_CASE(max_completion_tokens_wins_over_max_tokens) {
  BOOST_TEST(chat(R"("max_tokens": 5, "max_completion_tokens": 9)").sampling.max_tokens == 9U);
}

BOOST_AUTO_TEST_CASE(whole_floats_count_as_whole_numbers) {
  BOOST_TEST(chat(R"("max_tokens": 8.0)").sampling.max_tokens == 8U);
}

BOOST_AUTO_TEST_CASE(top_k_of_minus_one_is_off) {
  BOOST_TEST(chat(R"("top_k": -1)").sampling.top_k == 0);
}

BOOST_AUTO_TEST_CASE(one_stop_string_may_stand_alone) {
  BOOST_TEST(chat(R"("stop": "END")").sampling.stop == std::vector<std::string>{"END"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_duplicate_keys_one_is_taken) {
  const float temperature =
      chat(R"("temperature": 0.25, "temperature": 0.75)").sampling.temperature;
  BOOST_TEST((temperature == 0.25F || temperature == 0.75F));
}

BOOST_AUTO_TEST_CASE(developer_turns_become_system_turns) {
  const ParsedCall call =
      accepted(Endpoint::kChat, R"("messages": [{"role": "developer", "content": "x"}])");
  BOOST_TEST(call.prompts[0].turns[0].role == "system");
}

BOOST_AUTO_TEST_CASE(text_parts_are_joined) {
  const ParsedCall call = accepted(Endpoint::kChat,
                                   R"("messages": [{"role": "user", "name": "n", "content":
          [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])");
  BOOST_TEST(call.prompts[0].turns[0].content == "ab");
}

BOOST_AUTO_TEST_CASE(chat_logprobs_without_a_count_are_those_of_the_chosen_tokens) {
  BOOST_TEST(chat(R"("logprobs": true)").sampling.top_logprobs == 0);
  BOOST_TEST(chat(R"("logprobs": false)").sampling.top_logprobs == -1);
}

BOOST_AUTO_TEST_CASE(completions_take_a_prompt_in_four_forms) {
  using messages::PromptKind;
  BOOST_TEST((completion(R"("prompt": "a")").prompts[0].kind == PromptKind::kText));
  BOOST_TEST(completion(R"("prompt": ["a", "b"])").prompts.size() == 2U);
  const auto ids = completion(R"("prompt": [1, 2, 3])");
  BOOST_REQUIRE_EQUAL(ids.prompts.size(), 1U);
  BOOST_TEST(ids.prompts[0].tokens == (std::vector<std::int32_t>{1, 2, 3}),
             boost::test_tools::per_element());
  const auto lists = completion(R"("prompt": [[1], [2, 3]])");
  BOOST_REQUIRE_EQUAL(lists.prompts.size(), 2U);
  BOOST_TEST(lists.prompts[1].tokens.size() == 2U);
}

BOOST_AUTO_TEST_CASE(completions_have_openais_default_of_16_tokens) {
  BOOST_TEST(completion(R"("prompt": "a")").sampling.max_tokens == 16U);
}

BOOST_AUTO_TEST_CASE(completions_count_logprobs_in_one_field) {
  BOOST_TEST(completion(R"("prompt": "a", "logprobs": 3)").sampling.top_logprobs == 3);
  BOOST_TEST(completion(R"("prompt": "a", "echo": true)").echo);
}

constexpr Refusal kChatRefusals[] = {
    {R"("temperature": -0.1)", "temperature"},
    {R"("temperature": 2.1)", "temperature"},
    {R"("temperature": 1e300)", "temperature"},
    {R"("temperature": "hot")", "temperature"},
    {R"("top_p": 0)", "top_p"},
    {R"("top_p": 1.01)", "top_p"},
    {R"("min_p": -0.5)", "min_p"},
    {R"("min_p": 1.5)", "min_p"},
    {R"("top_k": -2)", "top_k"},
    {R"("top_k": 2.5)", "top_k"},
    {R"("repetition_penalty": 0)", "repetition_penalty"},
    {R"("repetition_penalty": 101)", "repetition_penalty"},
    {R"("frequency_penalty": 2.5)", "frequency_penalty"},
    {R"("presence_penalty": -2.5)", "presence_penalty"},
    {R"("n": 0)", "n"},
    {R"("n": 17)", "n"},
    {R"("n": true)", "n"},
    {R"("max_tokens": 0)", "max_tokens"},
    {R"("max_tokens": 4294967296)", "max_tokens"},
    {R"("max_tokens": 18446744073709551615)", "max_tokens"},
    {R"("max_completion_tokens": -1)", "max_completion_tokens"},
    {R"("min_tokens": -1)", "min_tokens"},
    {R"("min_tokens": 5, "max_tokens": 4)", "min_tokens"},
    {R"("seed": 9223372036854775808)", "seed"},
    {R"("seed": 1.5)", "seed"},
    {R"("stop": 5)", "stop"},
    {R"("stop": [5])", "stop"},
    {R"("stop": "")", "stop"},
    {R"("stop": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])",
     "stop"},
    {R"("logit_bias": [])", "logit_bias"},
    {R"("logit_bias": {"x": 1})", "logit_bias"},
    {R"("logit_bias": {"-1": 1})", "logit_bias"},
    {R"("logit_bias": {"1 ": 1})", "logit_bias"},
    {R"("logit_bias": {"1": 101})", "logit_bias"},
    {R"("logit_bias": {"1": "1"})", "logit_bias"},
    {R"("logprobs": 3)", "logprobs"},
    {R"("logprobs": true, "top_logprobs": 21)", "top_logprobs"},
    {R"("top_logprobs": 2)", "top_logprobs"},
    {R"("stream": "yes")", "stream"},
    {R"("stream_options": 1)", "stream_options"},
    {R"("stream_options": {"include_usage": 1})", "stream_options.include_usage"},
    {R"("ignore_eos": 1)", "ignore_eos"},
    {R"("echo": true)", "echo"},
    {R"("priority": 10)", "priority"},
    {R"("deadline_ms": -1)", "deadline_ms"},
    {R"("cache_salt": 5)", "cache_salt"},
    {R"("model": 7)", "model"},
    {R"("tools": [{"type": "function"}])", "tools"},
    {R"("functions": [{"name": "f"}])", "functions"},
    {R"("response_format": {"type": "json_object"})", "response_format"},
    {R"("response_format": "json")", "response_format"},
    {R"("modalities": ["text", "audio"])", "modalities"},
    {R"("audio": {"voice": "a"})", "audio"},
    {R"("web_search_options": {})", "web_search_options"},
    {R"("guided_json": {"type": "object"})", "guided_json"},
    {R"("best_of": 2)", "best_of"},
    {R"("suffix": "end")", "suffix"},
    {R"("prompt_logprobs": 1)", "prompt_logprobs"},
    {R"("use_beam_search": true)", "use_beam_search"},
};

BOOST_AUTO_TEST_CASE(every_fault_of_a_chat_names_its_field) {
  for (const Refusal& refusal : kChatRefusals) {
    check_refused(Endpoint::kChat, kMessages + ", " + refusal.fields, refusal.param);
  }
}

constexpr Refusal kMessageRefusals[] = {
    {R"("stream": true)", "messages"},
    {R"("messages": "Hi")", "messages"},
    {R"("messages": [])", "messages"},
    {R"("messages": [7])", "messages[0]"},
    {R"("messages": [{"role": "user"}])", "messages[0].content"},
    {R"("messages": [{"role": "user", "content": null}])", "messages[0].content"},
    {R"("messages": [{"role": "user", "content": 7}])", "messages[0].content"},
    {R"("messages": [{"content": "x"}])", "messages[0].role"},
    {R"("messages": [{"role": "tool", "content": "x"}])", "messages[0].role"},
    {R"("messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b",
        "tool_calls": [{"id": "1"}]}])",
     "messages[1].tool_calls"},
    {R"("messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}])",
     "messages[0].content[0]"},
    {R"("messages": [{"role": "user", "content": [{"type": "text", "text": "a"},
        {"type": "input_audio"}]}])",
     "messages[0].content[1]"},
};

BOOST_AUTO_TEST_CASE(every_fault_of_a_message_says_which) {
  for (const Refusal& refusal : kMessageRefusals) {
    check_refused(Endpoint::kChat, refusal.fields, refusal.param);
  }
}

constexpr Refusal kCompletionRefusals[] = {
    {R"("stream": true)", "prompt"},
    {R"("prompt": 5)", "prompt"},
    {R"("prompt": [])", "prompt"},
    {R"("prompt": [[]])", "prompt"},
    {R"("prompt": [1, -1])", "prompt"},
    {R"("prompt": [1, 2147483648])", "prompt"},
    {R"("prompt": [1, "a"])", "prompt"},
    {R"("prompt": [1.5])", "prompt"},
    {R"("prompt": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"x"])", "prompt"},
    {R"("prompt": ["1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g","h"])",
     "prompt"},
    {R"("prompt": ["a", "b", "c"], "n": 6)", "n"},
    {R"("prompt": "a", "echo": true, "logprobs": 1)", "logprobs"},
    {R"("prompt": "a", "logprobs": true)", "logprobs"},
    {R"("prompt": "a", "logprobs": 21)", "logprobs"},
};

BOOST_AUTO_TEST_CASE(every_fault_of_a_completion_names_its_field) {
  for (const Refusal& refusal : kCompletionRefusals) {
    check_refused(Endpoint::kCompletions, refusal.fields, refusal.param);
  }
}

BOOST_AUTO_TEST_CASE(another_model_is_not_found) {
  const auto parsed = parse(Endpoint::kChat, kMessages + R"(, "model": "gpt-4")");
  const auto& error = std::get<ApiError>(parsed);
  BOOST_TEST(error.status == 404);
  BOOST_TEST(error.code == "model_not_found");
  BOOST_TEST(error.param == "model");
  BOOST_TEST(error.message.find("tiny") != std::string::npos);
  chat(R"("model": "tiny")");
  chat(R"("model": null)");
}

BOOST_AUTO_TEST_CASE(broken_bodies_are_refused_as_json) {
  const std::string bodies[] = {"",
                                "{",
                                "[]",
                                "null",
                                "7",
                                "{\"messages\": NaN}",
                                "{\"a\": 1e999}",
                                "{\"a\": \"\xFF\"}",
                                "{\"a\": \"\xED\xA0\x80\"}",
                                R"({"a": "\ud800"})",
                                "{} trailing",
                                std::string(1'000'000, '['),
                                "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"};
  for (const std::string& body : bodies) {
    const auto parsed = parse_call(Endpoint::kChat, body, "tiny");
    const auto* error = std::get_if<ApiError>(&parsed);
    BOOST_REQUIRE_MESSAGE(error != nullptr, body.substr(0, 40));
    BOOST_TEST_CONTEXT(body.substr(0, 40) << " → " << error->message) {
      BOOST_TEST(error->status == 400);
      BOOST_TEST(error->code == "invalid_json");
    }
  }
}

BOOST_AUTO_TEST_CASE(invalid_utf8_is_said_to_be_that) {
  const auto parsed = parse_call(Endpoint::kChat, "{\"a\": \"\xFF\"}", "tiny");
  BOOST_TEST(std::get<ApiError>(parsed).message == "the body is not valid UTF-8 at byte 7");
}

BOOST_AUTO_TEST_CASE(brackets_in_strings_are_no_nesting) {
  chat("\"user\": \"" + std::string(1'000, '[') + "\"");
}

BOOST_AUTO_TEST_CASE(a_body_of_many_keys_is_read_in_bounded_time) {
  std::string fields = kMessages;
  for (int i = 0; i < 200'000; ++i) fields += ",\"k" + std::to_string(i) + "\":0";
  accepted(Endpoint::kChat, fields);  // quadratic work would run into the test's time limit
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway

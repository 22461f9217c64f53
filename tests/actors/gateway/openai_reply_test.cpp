// Replies byte for byte as OpenAI's SDKs expect them.
#include "actors/gateway/openai_reply.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "actors/gateway/openai_logprobs.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::FinishReason;
using messages::TokenLogprob;

ReplyHead head_of(Endpoint endpoint) {
  return {.endpoint = endpoint,
          .id = endpoint == Endpoint::kChat ? "chatcmpl-1" : "cmpl-1",
          .created = 1700,
          .model = "tiny",
          .fingerprint = "n1"};
}

const std::string kChatFront =
    R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700,"model":"tiny",)"
    R"("system_fingerprint":"n1","choices":[)";

const std::string kCompletionFront =
    R"(data: {"id":"cmpl-1","object":"text_completion","created":1700,"model":"tiny",)"
    R"("system_fingerprint":"n1","choices":[)";

// "é" split over two tokens, the second with an impossible alternative.
std::vector<TokenLogprob> split_character() {
  const float never = -std::numeric_limits<float>::infinity();
  return {{.chosen = {.token = 1, .bytes = "\xC3", .logprob = -0.5F}, .top = {}},
          {.chosen = {.token = 2, .bytes = "\xA9", .logprob = -1.0F},
           .top = {{.token = 3, .bytes = "x", .logprob = never}}}};
}

BOOST_AUTO_TEST_SUITE(openai_reply)

BOOST_AUTO_TEST_CASE(the_first_chat_event_carries_the_role) {
  BOOST_TEST(role_event(head_of(Endpoint::kChat), 0) ==
             "id: chatcmpl-1:0\n" + kChatFront +
                 R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,)"
                 R"("finish_reason":null}]})"
                 "\n\n");
}

BOOST_AUTO_TEST_CASE(a_chat_event_carries_text_and_the_offset_behind_it) {
  const ReplyPiece piece{.index = 0, .text = "Hé\n", .text_end = 4};
  BOOST_TEST(text_event(head_of(Endpoint::kChat), piece) ==
             "id: chatcmpl-1:4\n" + kChatFront +
                 R"({"index":0,"delta":{"content":"Hé\n"},"logprobs":null,)"
                 R"("finish_reason":null}]})"
                 "\n\n");
}

BOOST_AUTO_TEST_CASE(the_last_chat_event_has_a_reason_and_no_content) {
  BOOST_TEST(finish_event(head_of(Endpoint::kChat), 0, FinishReason::kLength, 4) ==
             "id: chatcmpl-1:4\n" + kChatFront +
                 R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]})"
                 "\n\n");
}

BOOST_AUTO_TEST_CASE(completion_events_carry_text) {
  const ReplyPiece piece{.index = 0, .text = "Hi", .text_end = 2};
  BOOST_TEST(text_event(head_of(Endpoint::kCompletions), piece) ==
             "id: cmpl-1:2\n" + kCompletionFront +
                 R"({"index":0,"text":"Hi","logprobs":null,"finish_reason":null}]})"
                 "\n\n");
  BOOST_TEST(finish_event(head_of(Endpoint::kCompletions), 0, FinishReason::kStop, 2) ==
             "id: cmpl-1:2\n" + kCompletionFront +
                 R"({"index":0,"text":"","logprobs":null,"finish_reason":"stop"}]})"
                 "\n\n");
}

BOOST_AUTO_TEST_CASE(with_several_answers_the_event_id_names_the_answer) {
  ReplyHead head = head_of(Endpoint::kChat);
  head.answers = 2;
  BOOST_TEST(role_event(head, 1).starts_with("id: chatcmpl-1:0,0\n"));
}

BOOST_AUTO_TEST_CASE(usage_is_null_until_its_own_event_without_choices) {
  ReplyHead head = head_of(Endpoint::kChat);
  head.include_usage = true;
  BOOST_TEST(role_event(head, 0).ends_with("\"usage\":null}\n\n"));
  BOOST_TEST(usage_event(head, {.prompt = 5, .completion = 7}) ==
             kChatFront + R"(],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,)"
                          R"("prompt_tokens_details":{"cached_tokens":0}}})"
                          "\n\n");
}

BOOST_AUTO_TEST_CASE(a_failure_in_a_stream_is_an_event_with_an_error) {
  const ApiError error{
      .status = 500, .message = "gone", .type = "server_error", .code = "internal"};
  BOOST_TEST(error_event(error) ==
             R"(data: {"error":{"message":"gone","type":"server_error","param":null,)"
             R"("code":"internal"}})"
             "\n\n");
}

BOOST_AUTO_TEST_CASE(chat_logprobs_carry_bytes_and_no_infinity) {
  BOOST_TEST(to_text(chat_logprobs(split_character())) ==
             R"({"content":[{"token":"�","logprob":-0.5,"bytes":[195],"top_logprobs":[]},)"
             R"({"token":"�","logprob":-1.0,"bytes":[169],"top_logprobs":[)"
             R"({"token":"x","logprob":-9999.0,"bytes":[120]}]}],"refusal":null})");
}

BOOST_AUTO_TEST_CASE(completion_logprobs_are_four_lists_with_offsets_in_characters) {
  BOOST_TEST(to_text(completion_logprobs(split_character(), 7)) ==
             R"({"tokens":["bytes:\\xc3","bytes:\\xa9"],"token_logprobs":[-0.5,-1.0],)"
             R"("top_logprobs":[{},{"x":-9999.0}],"text_offset":[7,8]})");
}

BOOST_AUTO_TEST_CASE(a_whole_chat_is_one_object) {
  const WholeAnswer answer{.index = 0, .text = "Hi", .logprobs = {}, .finish = FinishReason::kStop};
  BOOST_TEST(whole_reply(head_of(Endpoint::kChat), {&answer, 1}, {.prompt = 5, .completion = 2}) ==
             R"({"id":"chatcmpl-1","object":"chat.completion","created":1700,"model":"tiny",)"
             R"("system_fingerprint":"n1","choices":[{"index":0,"message":{"role":"assistant",)"
             R"("content":"Hi","refusal":null},"logprobs":null,"finish_reason":"stop"}],)"
             R"("usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,)"
             R"("prompt_tokens_details":{"cached_tokens":0}}})");
}

BOOST_AUTO_TEST_CASE(a_whole_completion_holds_all_answers_with_logprobs) {
  ReplyHead head = head_of(Endpoint::kCompletions);
  head.with_logprobs = true;
  const std::vector<WholeAnswer> answers{
      {.index = 0, .text = "a", .logprobs = split_character(), .finish = FinishReason::kLength},
      {.index = 1, .text = "", .logprobs = {}, .finish = FinishReason::kStop}};
  const Json reply = Json::parse(whole_reply(head, answers, {}));
  BOOST_TEST(reply["object"] == "text_completion");
  BOOST_TEST(reply["choices"][0]["text"] == "a");
  BOOST_TEST(reply["choices"][0]["finish_reason"] == "length");
  BOOST_TEST(reply["choices"][0]["logprobs"]["tokens"].size() == 2U);
  BOOST_TEST(reply["choices"][1]["index"] == 1);
  BOOST_TEST(reply["choices"][1]["logprobs"]["tokens"].empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway

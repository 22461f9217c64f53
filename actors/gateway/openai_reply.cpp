#include "actors/gateway/openai_reply.hpp"

#include "actors/gateway/event_id.hpp"
#include "actors/gateway/json_text.hpp"
#include "actors/gateway/openai_logprobs.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::FinishReason;

const char* finish_name(FinishReason finish) {
  return finish == FinishReason::kLength ? "length" : "stop";
}

ReplyJson usage_json(const TokenCounts& counts) {
  return {{"prompt_tokens", counts.prompt},
          {"completion_tokens", counts.completion},
          {"total_tokens", counts.prompt + counts.completion},
          {"prompt_tokens_details", {{"cached_tokens", counts.cached}}}};
}

ReplyJson envelope(const ReplyHead& head, const char* chat_object, ReplyJson choices) {
  return {{"id", head.id},
          {"object", head.endpoint == Endpoint::kChat ? chat_object : "text_completion"},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", head.fingerprint},
          {"choices", std::move(choices)}};
}

std::string data_line(const ReplyJson& json) { return "data: " + to_text(json) + "\n\n"; }

std::string event(const ReplyHead& head, ReplyJson choice, std::uint64_t text_end) {
  const auto index = choice["index"].get<std::uint32_t>();
  std::vector<std::uint64_t> offsets = head.offsets;
  offsets.resize(head.answers);
  offsets.at(index) = text_end;
  std::string out = "id: " + event_id(head.id, offsets) + "\n";
  ReplyJson json = envelope(head, "chat.completion.chunk", ReplyJson::array({std::move(choice)}));
  if (head.include_usage) json["usage"] = nullptr;
  if (head.resumed_inexact) json["resumed_inexact"] = true;
  return out + data_line(json);
}

ReplyJson choice_json(std::uint32_t index, const char* key, ReplyJson content) {
  return {{"index", index},
          {key, std::move(content)},
          {"logprobs", nullptr},
          {"finish_reason", nullptr}};
}

ReplyJson logprobs_json(Endpoint endpoint,
                        std::span<const messages::TokenLogprob> logprobs,
                        std::uint64_t characters_before) {
  return endpoint == Endpoint::kChat ? chat_logprobs(logprobs)
                                     : completion_logprobs(logprobs, characters_before);
}

}  // namespace

std::string role_event(const ReplyHead& head, std::uint32_t index) {
  return event(head, choice_json(index, "delta", {{"role", "assistant"}, {"content", ""}}), 0);
}

std::string text_event(const ReplyHead& head, const ReplyPiece& piece) {
  ReplyJson choice = head.endpoint == Endpoint::kChat
                         ? choice_json(piece.index, "delta", {{"content", piece.text}})
                         : choice_json(piece.index, "text", piece.text);
  if (!piece.logprobs.empty()) {
    choice["logprobs"] = logprobs_json(head.endpoint, piece.logprobs, piece.characters_before);
  }
  return event(head, std::move(choice), piece.text_end);
}

std::string finish_event(const ReplyHead& head,
                         std::uint32_t index,
                         FinishReason finish,
                         std::uint64_t text_end,
                         std::span<const messages::TokenLogprob> logprobs,
                         std::uint64_t characters_before) {
  ReplyJson choice = head.endpoint == Endpoint::kChat
                         ? choice_json(index, "delta", ReplyJson::object())
                         : choice_json(index, "text", "");
  if (!logprobs.empty()) {
    choice["logprobs"] = logprobs_json(head.endpoint, logprobs, characters_before);
  }
  choice["finish_reason"] = finish_name(finish);
  return event(head, std::move(choice), text_end);
}

std::string usage_event(const ReplyHead& head, const TokenCounts& counts) {
  ReplyJson json = envelope(head, "chat.completion.chunk", ReplyJson::array());
  json["usage"] = usage_json(counts);
  return data_line(json);
}

std::string error_event(const ApiError& error) { return "data: " + error_json(error) + "\n\n"; }

std::string whole_reply(const ReplyHead& head,
                        std::span<const WholeAnswer> answers,
                        const TokenCounts& counts) {
  ReplyJson choices = ReplyJson::array();
  for (const WholeAnswer& answer : answers) {
    ReplyJson choice =
        head.endpoint == Endpoint::kChat
            ? choice_json(answer.index,
                          "message",
                          {{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}})
            : choice_json(answer.index, "text", answer.text);
    if (head.with_logprobs) choice["logprobs"] = logprobs_json(head.endpoint, answer.logprobs, 0);
    choice["finish_reason"] = finish_name(answer.finish);
    choices.push_back(std::move(choice));
  }
  ReplyJson json = envelope(head, "chat.completion", std::move(choices));
  json["usage"] = usage_json(counts);
  if (head.resumed_inexact) json["resumed_inexact"] = true;
  return to_text(json);
}

}  // namespace troupe::actors::gateway

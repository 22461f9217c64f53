#include "actors/gateway/zmq_generate.hpp"

#include "config/limits.hpp"
#include "model/utf8.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::PromptKind;

bool is_utf8(std::string_view text) { return model::utf8::valid_prefix(text) == text.size(); }

std::optional<Fault> find_turn_fault(const std::vector<messages::ChatTurn>& turns) {
  if (turns.size() > config::kChatTurnsMax) {
    return Fault{
        "messages",
        "messages may hold at most " + std::to_string(config::kChatTurnsMax) + " messages"};
  }
  for (const messages::ChatTurn& turn : turns) {
    if (!known_role(turn.role)) {
      return Fault{"messages", "messages: role must be system, developer, user or assistant"};
    }
    if (!is_utf8(turn.content)) return Fault{"messages", "messages: content must be valid UTF-8"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> find_id_fault(std::string_view id) {
  if (id.empty()) return Fault{"id", "id must not be empty"};
  if (id.size() > config::kClientIdBytesMax) {
    return Fault{"id",
                 "id may have at most " + std::to_string(config::kClientIdBytesMax) + " bytes"};
  }
  if (!is_utf8(id)) return Fault{"id", "id must be valid UTF-8"};
  return std::nullopt;
}

std::optional<Fault> find_fault(const messages::client::Generate& generate) {
  const int forms =
      !generate.prompt.empty() + !generate.messages.empty() + !generate.tokens.empty();
  if (forms != 1) {
    return Fault{"prompt", "exactly one of prompt, messages and tokens must be given, not empty"};
  }
  if (!is_utf8(generate.prompt)) return Fault{"prompt", "prompt must be valid UTF-8"};
  if (auto fault = find_turn_fault(generate.messages)) return fault;
  if (auto fault = find_fault(std::span<const std::int32_t>(generate.tokens))) {
    fault->param = "tokens";
    return fault;
  }
  if (auto fault = find_fault(generate.sampling)) return fault;
  if (generate.sampling.top_logprobs >= 0) {
    return Fault{"top_logprobs", "log-probabilities are not delivered over ZeroMQ; use HTTP"};
  }
  if (auto fault = find_salt_fault(generate.cache_salt)) return fault;
  return find_priority_fault(generate.priority);
}

messages::GenerateRequest to_request(messages::client::Generate generate) {
  messages::GenerateRequest request;
  request.prompt_kind = !generate.messages.empty() ? PromptKind::kChat
                        : !generate.tokens.empty() ? PromptKind::kTokens
                                                   : PromptKind::kText;
  request.prompt = std::move(generate.prompt);
  request.messages = std::move(generate.messages);
  for (messages::ChatTurn& turn : request.messages) turn.role = *known_role(turn.role);
  request.prompt_tokens = std::move(generate.tokens);
  request.sampling = std::move(generate.sampling);
  request.sampling.choice = 0;
  request.priority = generate.priority;
  request.deadline_ms = generate.deadline_ms;
  request.cache_salt = std::move(generate.cache_salt);
  return request;
}

}  // namespace troupe::actors::gateway

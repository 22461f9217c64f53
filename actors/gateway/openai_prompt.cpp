#include "actors/gateway/openai_prompt.hpp"

#include <algorithm>
#include <limits>

#include "config/limits.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::ChatTurn;
using messages::PromptKind;

// The text of `part`, one of several that a turn's content is made of.
std::optional<std::string> part_text(const Json& part) {
  if (!part.is_object()) return std::nullopt;
  const auto type = part.find("type");
  const auto text = part.find("text");
  if (type == part.end() || *type != "text") return std::nullopt;
  if (text == part.end() || !text->is_string()) return std::nullopt;
  return text->get<std::string>();
}

// Parts are joined as they are: what lies between them is the client's to say.
std::string content_text(const Json& content, const std::string& where, FieldReader& fields) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    fields.fail(where, where + " must be a string or a list of {\"type\": \"text\"} parts");
    return {};
  }
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto part = part_text(content[i]);
    const std::string place = where + "[" + std::to_string(i) + "]";
    if (part) text += *part;
    if (!part) fields.fail(place, place + ": only parts of type text are supported");
  }
  return text;
}

ChatTurn read_turn(const Json& turn, const std::string& where, FieldReader& fields) {
  if (!turn.is_object()) {
    fields.fail(where, where + " must be an object with role and content");
    return {};
  }
  const auto role = turn.find("role");
  const auto known =
      role != turn.end() && role->is_string() ? known_role(role->get<std::string>()) : std::nullopt;
  if (!known) {
    fields.fail(where + ".role", where + ".role must be system, developer, user or assistant");
  }
  const auto calls = turn.find("tool_calls");
  if (calls != turn.end() && !calls->is_null() && !calls->empty()) {
    fields.fail(where + ".tool_calls", "tool_calls are not supported");
  }
  const auto content = turn.find("content");
  if (content == turn.end() || content->is_null()) {
    fields.fail(where + ".content", where + ".content is missing");
    return {};
  }
  return {known.value_or(""), content_text(*content, where + ".content", fields)};
}

std::optional<std::vector<std::int32_t>> token_ids(const Json& list) {
  std::vector<std::int32_t> ids;
  ids.reserve(list.size());
  for (const Json& item : list) {
    const auto id = whole_number(item);
    if (!id || *id < 0 || *id > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    ids.push_back(static_cast<std::int32_t>(*id));
  }
  return ids;
}

// A string, or a list of token ids that is not empty.
std::optional<Prompt> read_prompt(const Json& json) {
  if (json.is_string()) {
    return Prompt{.kind = PromptKind::kText, .text = json.get<std::string>()};
  }
  if (!json.is_array() || json.empty()) return std::nullopt;
  auto ids = token_ids(json);
  if (!ids) return std::nullopt;
  return Prompt{.kind = PromptKind::kTokens, .tokens = std::move(*ids)};
}

}  // namespace

std::vector<Prompt> read_messages(FieldReader& fields) {
  const Json* messages = fields.find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    fields.fail("messages", "messages must be a list with at least one message");
    return {};
  }
  if (messages->size() > config::kChatTurnsMax) {
    fields.fail("messages",
                "messages may hold at most " + std::to_string(config::kChatTurnsMax) + " messages");
    return {};
  }
  Prompt prompt{.kind = PromptKind::kChat};
  for (std::size_t i = 0; i < messages->size() && !fields.fault(); ++i) {
    prompt.turns.push_back(
        read_turn((*messages)[i], "messages[" + std::to_string(i) + "]", fields));
  }
  return {std::move(prompt)};
}

std::vector<Prompt> read_prompts(FieldReader& fields) {
  constexpr const char* forms =
      "prompt must be a string, a list of strings, a list of token ids, or a list of such lists; "
      "none of the lists may be empty";
  const Json* json = fields.find("prompt");
  if (json == nullptr) {
    fields.fail("prompt", "prompt is missing");
    return {};
  }
  if (auto one = read_prompt(*json)) return {std::move(*one)};
  if (!json->is_array() || json->empty()) {
    fields.fail("prompt", forms);
    return {};
  }
  if (json->size() > config::kAnswersMax) {
    // A long list that is no list of ids: one wrong id, or too many prompts.
    const bool ids = json->front().is_number();
    fields.fail(
        "prompt",
        ids ? forms
            : "prompt may hold at most " + std::to_string(config::kAnswersMax) + " prompts");
    return {};
  }
  std::vector<Prompt> prompts;
  for (const Json& item : *json) {
    auto prompt = read_prompt(item);
    if (!prompt) fields.fail("prompt", forms);
    prompts.push_back(std::move(prompt).value_or(Prompt{}));
  }
  return prompts;
}

}  // namespace troupe::actors::gateway

// One call of the OpenAI API after validation: what is asked for, once, however many answers it
// gets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/generate_request.hpp"

namespace troupe::actors::gateway {

enum class Endpoint : std::uint8_t { kChat, kCompletions };

struct Prompt {
  messages::PromptKind kind = messages::PromptKind::kText;
  std::string text;                       // kText
  std::vector<messages::ChatTurn> turns;  // kChat
  std::vector<std::int32_t> tokens;       // kTokens, [prompt_len]
};

struct ParsedCall {
  Endpoint endpoint = Endpoint::kChat;
  std::vector<Prompt> prompts;  // never empty
  std::uint32_t n = 1;          // answers for each prompt
  messages::Sampling sampling;
  bool seed_given = false;
  bool stream = false;
  bool include_usage = false;
  bool echo = false;
  std::uint32_t priority = 5;
  std::uint64_t deadline_ms = 0;
  std::string cache_salt;
};

}  // namespace troupe::actors::gateway

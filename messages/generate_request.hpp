// Gateway → preprocess: one validated request for one answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/origin.hpp"
#include "messages/sampling.hpp"

namespace troupe::messages {

struct ChatTurn {
  std::string role;
  std::string content;

  TROUPE_MESSAGE(ChatTurn, role, content)
};

// What an answer is generated from: exactly one of the three is used.
enum class PromptKind : std::uint8_t { kText, kChat, kTokens };

struct GenerateRequest {
  std::uint64_t request_id =
      0;  // unique in the front's life; a request for n answers becomes n of these
  PromptKind prompt_kind = PromptKind::kText;
  std::string prompt;                       // kText
  std::vector<ChatTurn> messages;           // kChat, never empty
  std::vector<std::int32_t> prompt_tokens;  // kTokens, [prompt_len], never empty
  Sampling sampling;
  bool echo = false;              // the answer's text begins with the prompt's
  std::uint32_t priority = 5;     // 0 highest … 9
  std::uint64_t deadline_ms = 0;  // for the whole request, from its arrival; 0: none
  std::string cache_salt;         // only requests with the same one share cached keys and values
  std::uint64_t call_first = 0;   // the answers of one call have the ids call_first …
  std::uint32_t call_size = 1;    // … call_first + call_size - 1; they are accepted together
  Origin origin;

  TROUPE_MESSAGE(GenerateRequest,
                 request_id,
                 prompt_kind,
                 prompt,
                 messages,
                 prompt_tokens,
                 sampling,
                 echo,
                 priority,
                 deadline_ms,
                 cache_salt,
                 call_first,
                 call_size,
                 origin)
};

}  // namespace troupe::messages

MSGPACK_ADD_ENUM(troupe::messages::PromptKind)

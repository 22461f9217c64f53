// Dispatch ↔ aggregate: what aggregate must know of a request before its first token, and how it
// ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/token_frame.hpp"

namespace troupe::messages {

// Dispatch → aggregate, once a request is accepted and before any of its tokens.
struct ReplyPlan {
  std::uint64_t request_id = 0;
  std::vector<std::int32_t> prompt_tokens;  // [prompt_len]
  std::vector<std::string> stop;
  bool echo = false;
  bool logprobs = false;

  TROUPE_MESSAGE(ReplyPlan, request_id, prompt_tokens, stop, echo, logprobs)
};

// Aggregate → dispatch: the end was decided; the ledger entry can go and a worker still at it can
// stop.
struct ReplyFinished {
  std::uint64_t request_id = 0;
  FinishReason reason = FinishReason::kNone;
  std::uint32_t tokens = 0;  // produced tokens that belong to the answer

  TROUPE_MESSAGE(ReplyFinished, request_id, reason, tokens)
};

// Aggregate → dispatch: it has begun anew and knows nothing; plans and tokens of all that is open
// are to be sent again.
struct ReplayRequest {
  std::uint32_t lives = 0;  // of aggregate before this one

  TROUPE_MESSAGE(ReplayRequest, lives)
};

}  // namespace troupe::messages

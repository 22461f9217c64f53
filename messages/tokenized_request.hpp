// Preprocess → dispatch: one prompt, tokenized and within the model's context.
#pragma once

#include <cstdint>
#include <vector>

#include "messages/sampling.hpp"

namespace troupe::messages {

struct TokenizedRequest {
  std::uint64_t request_id = 0;
  std::vector<std::int32_t> prompt_tokens;  // [prompt_len], never empty
  Sampling sampling;                        // max_tokens is set and fits the context
  bool echo = false;
  std::uint32_t priority = 5;
  std::uint64_t deadline_ms = 0;

  TROUPE_MESSAGE(TokenizedRequest, request_id, prompt_tokens, sampling, echo, priority, deadline_ms)
};

}  // namespace troupe::messages

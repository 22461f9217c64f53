// Preprocess → dispatch: one prompt, tokenized and within the model's context.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/origin.hpp"
#include "messages/sampling.hpp"

namespace troupe::messages {

struct TokenizedRequest {
  std::uint64_t request_id = 0;
  std::vector<std::int32_t> prompt_tokens;  // [prompt_len], never empty
  Sampling sampling;                        // max_tokens is set and fits the context
  bool echo = false;
  std::uint32_t priority = 5;
  std::uint64_t deadline_ms = 0;
  std::string cache_salt;        // only requests with the same one share cached keys and values
  std::uint64_t call_first = 0;  // as in GenerateRequest: accepted together, or refused together
  std::uint32_t call_size = 1;
  Origin origin;

  TROUPE_MESSAGE(TokenizedRequest,
                 request_id,
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

// How an answer is to be sampled and when it ends: part of several messages.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "messages/message.hpp"

namespace troupe::messages {

struct Sampling {
  float temperature = 1.0F;         // 0: greedy
  std::int32_t top_k = 0;           // 0: off
  float top_p = 1.0F;               // 1: off
  float min_p = 0.0F;               // 0: off
  float repetition_penalty = 1.0F;  // 1: off
  float frequency_penalty = 0.0F;
  float presence_penalty = 0.0F;
  std::vector<std::pair<std::int32_t, float>> logit_bias;  // (token, added to its logit)
  std::uint64_t seed = 0;          // drawn by the gateway when the client gave none
  std::uint32_t choice = 0;        // index of this answer among the request's n
  std::int32_t top_logprobs = -1;  // -1: no log-probabilities; n: with the n most likely tokens
  std::uint32_t max_tokens = 0;    // 0: as many as the context holds
  std::uint32_t min_tokens = 0;    // no end token before this many
  bool ignore_eos = false;
  std::vector<std::string> stop;  // strings that end the answer and are not part of it

  TROUPE_MESSAGE(Sampling,
                 temperature,
                 top_k,
                 top_p,
                 min_p,
                 repetition_penalty,
                 frequency_penalty,
                 presence_penalty,
                 logit_bias,
                 seed,
                 choice,
                 top_logprobs,
                 max_tokens,
                 min_tokens,
                 ignore_eos,
                 stop)
};

}  // namespace troupe::messages

// The most likely tokens of one row of logits, with their log-probabilities.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace troupe::apps {

struct TokenLogprob {
  std::int32_t id = 0;
  double logprob = 0.0;  // natural logarithm
};

// `logits`: [vocab]. The `count` (at most vocab) most likely first, ties to the lower id; softmax
// in double. Empty when a logit is not finite.
std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, std::size_t count);

// Of the token `id` in [0, vocab). Empty when a logit is not finite.
std::optional<double> logprob_of(std::span<const float> logits, std::int32_t id);

}  // namespace troupe::apps

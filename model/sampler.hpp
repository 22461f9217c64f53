// From logits to one token: penalties, bias, filters, and a counter-based draw. A pure function of
// its arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace troupe::model {

struct SamplingParams {
  float temperature = 1.0F;         // 0: greedy (ties to the lowest id)
  std::int32_t top_k = 0;           // 0: off
  float top_p = 1.0F;               // 1: off
  float min_p = 0.0F;               // 0: off
  float repetition_penalty = 1.0F;  // 1: off; over prompt and produced tokens
  float frequency_penalty = 0.0F;   // over produced tokens
  float presence_penalty = 0.0F;    // over produced tokens
  std::vector<std::pair<std::int32_t, float>> logit_bias;  // (token, added to its logit)
  std::uint64_t seed = 0;
  std::uint32_t choice = 0;  // which of a request's n answers: its own stream of random numbers
  std::int32_t top_logprobs =
      -1;  // -1: no log-probabilities; 0: the token's own; n: and the n most likely
};

struct SampledToken {
  std::int32_t id = -1;                                      // -1: a logit was not finite
  float logprob = 0.0F;                                      // natural logarithm, before any filter
  std::vector<std::pair<std::int32_t, float>> top_logprobs;  // most likely first

  bool finite() const { return id >= 0; }
};

// Keeps its scratch from one draw to the next, and has room for any draw from the start (which
// takes no memory before it is used). Nothing else is kept: a draw is a pure function of its
// arguments.
class Sampler {
 public:
  // `tokens_max`: of the longest prompt + answer. Beyond these two it allocates when it must.
  explicit Sampler(std::size_t tokens_max = 0, std::size_t vocab = 0);
  ~Sampler();

  // Bytes that draws with every filter touch at most, of a sampler of this size.
  static std::size_t bytes(std::size_t tokens_max, std::size_t vocab);

  // `logits` ([vocab], changed in place) belong to position prompt.size() + produced.size().
  // `banned` ids cannot be drawn (end tokens before min_tokens, say). The random number is a
  // function of (seed, choice, produced.size()) alone, so a resumed request draws what an
  // undisturbed one would have drawn. The result is valid until the next call.
  const SampledToken& sample(std::span<float> logits,
                             const SamplingParams& params,
                             std::span<const std::int32_t> prompt,
                             std::span<const std::int32_t> produced,
                             std::span<const std::int32_t> banned = {});

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

// One draw with a sampler of its own.
SampledToken sample(std::span<float> logits,
                    const SamplingParams& params,
                    std::span<const std::int32_t> prompt,
                    std::span<const std::int32_t> produced,
                    std::span<const std::int32_t> banned = {});

}  // namespace troupe::model

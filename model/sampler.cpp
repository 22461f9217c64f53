#include "model/sampler.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>

#include "config/limits.hpp"
#include "model/philox.hpp"

namespace troupe::model {
namespace {

struct Candidate {
  float logit;
  std::int32_t id;

  // Most likely first; ties to the lowest id.
  bool before(const Candidate& other) const {
    return logit != other.logit ? logit > other.logit : id < other.id;
  }
};

bool before(const Candidate& a, const Candidate& b) { return a.before(b); }

// e^x for x ≤ 0, without libm, so that a draw does not depend on the machine's library. x = n·ln 2
// + r with |r| ≤ ln 2 / 2, then the Taylor series to r⁶ (relative error below 2e-7). 0 below -87.
float exp_below_zero(float x) {
  constexpr float kRoundToInteger = 12582912.0F;  // 1.5 · 2^23: adding it rounds to an integer
  const float clamped = std::max(x, -87.0F);
  const float n = (clamped * 1.44269504F + kRoundToInteger) - kRoundToInteger;
  const float r = clamped - n * 0.693359375F + n * 2.12194440e-4F;
  float p = 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const float scaled = p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
  return x < -87.0F ? 0.0F : scaled;
}

// The largest value; empty when one is not finite. Eight running results, because one would wait
// for itself.
std::optional<float> finite_maximum(std::span<const float> values) {
  float largest[8];
  float poison[8] = {};  // stays 0 while all are finite
  std::fill_n(largest, 8, values[0]);
  std::size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) {
    for (std::size_t j = 0; j < 8; ++j) {
      largest[j] = values[i + j] > largest[j] ? values[i + j] : largest[j];
      poison[j] += values[i + j] * 0.0F;
    }
  }
  for (; i < values.size(); ++i) {
    largest[0] = std::max(largest[0], values[i]);
    poison[0] += values[i] * 0.0F;
  }
  for (const float p : poison) {
    if (p != 0.0F) return std::nullopt;  // true for not-a-number too
  }
  return *std::max_element(largest, largest + 8);
}

// Σ e^((logit - maximum) / temperature).
double total_weight(std::span<const float> logits, float maximum, float inverse_temperature) {
  double sums[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= logits.size(); i += 4) {
    for (std::size_t j = 0; j < 4; ++j) {
      sums[j] +=
          static_cast<double>(exp_below_zero((logits[i + j] - maximum) * inverse_temperature));
    }
  }
  for (; i < logits.size(); ++i) {
    sums[0] += static_cast<double>(exp_below_zero((logits[i] - maximum) * inverse_temperature));
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Candidates that are kept while the `count` most likely are looked for.
constexpr std::size_t kept_max(std::size_t count) { return 2 * count + 64; }

// The `count` most likely, in order. One pass: what beats the worst of the best so far is kept, and
// the kept are cut back to `count` whenever they have doubled.
void most_likely(std::span<const float> logits, std::size_t count, std::vector<Candidate>& kept) {
  count = std::min(count, logits.size());
  kept.clear();
  if (count == 0) return;
  const std::size_t most = kept_max(count);
  kept.reserve(most);
  const auto nth = [&] { return kept.begin() + static_cast<std::ptrdiff_t>(count - 1); };
  float worst = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] < worst || (logits[i] == worst && kept.size() >= count)) continue;
    kept.push_back({logits[i], static_cast<std::int32_t>(i)});
    if (kept.size() < most) continue;
    std::nth_element(kept.begin(), nth(), kept.end(), before);
    kept.resize(count);
    worst = kept.back().logit;
  }
  if (kept.size() > count) std::nth_element(kept.begin(), nth(), kept.end(), before);
  kept.resize(std::min(count, kept.size()));
  std::sort(kept.begin(), kept.end(), before);
}

bool in_vocabulary(std::int32_t id, std::span<const float> logits) {
  return id >= 0 && static_cast<std::size_t>(id) < logits.size();
}

void add_ids(std::span<const std::int32_t> ids,
             std::span<const float> logits,
             std::vector<std::int32_t>& to) {
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(to), [&](std::int32_t id) {
    return in_vocabulary(id, logits);
  });
}

// Divides what is above zero and multiplies what is below: Keskar et al., arxiv.org/abs/1909.05858
void penalize_repetition(std::span<float> logits, float penalty, std::vector<std::int32_t>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const std::int32_t id : ids) {
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit > 0.0F ? logit / penalty : logit * penalty;
  }
}

// `ids` is scratch.
void apply_penalties(std::span<float> logits,
                     const SamplingParams& params,
                     std::span<const std::int32_t> prompt,
                     std::span<const std::int32_t> produced,
                     std::vector<std::int32_t>& ids) {
  ids.clear();
  if (params.repetition_penalty != 1.0F) {
    add_ids(prompt, logits, ids);
    add_ids(produced, logits, ids);
    penalize_repetition(logits, params.repetition_penalty, ids);
  }
  if (params.frequency_penalty == 0.0F && params.presence_penalty == 0.0F) return;
  ids.clear();
  add_ids(produced, logits, ids);
  std::sort(ids.begin(), ids.end());
  for (auto it = ids.begin(); it != ids.end();) {
    const auto end = std::upper_bound(it, ids.end(), *it);
    const auto count = static_cast<float>(end - it);
    logits[static_cast<std::size_t>(*it)] -=
        params.frequency_penalty * count + params.presence_penalty;
    it = end;
  }
}

// In [0, 1).
double uniform(const SamplingParams& params, std::size_t position) {
  const auto at = static_cast<std::uint64_t>(position);
  const auto bits = philox(
      {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32), params.choice, 0},
      {static_cast<std::uint32_t>(params.seed), static_cast<std::uint32_t>(params.seed >> 32)});
  return static_cast<double>((std::uint64_t{bits[0]} << 32 | bits[1]) >> 11) * 0x1p-53;
}

// Candidates and their weights relative to the most likely one's.
struct Weighted {
  std::vector<Candidate> candidates;
  std::vector<double> weights;
  double total = 0;  // of `weights`

  void resize(std::size_t count) {
    candidates.resize(count);
    weights.resize(count);
    total = 0;
    for (const double weight : weights) total += weight;
  }
};

// Gives the candidates that are there their weights.
void weigh(Weighted& weighted, float maximum, float inverse_temperature) {
  weighted.weights.clear();
  weighted.total = 0;
  for (const Candidate& c : weighted.candidates) {
    weighted.weights.push_back(
        static_cast<double>(exp_below_zero((c.logit - maximum) * inverse_temperature)));
    weighted.total += weighted.weights.back();
  }
}

// How many of the most likely reach the share `top_p` of `total`; empty when all together do not.
std::optional<std::size_t> reach(const std::vector<double>& weights, double top_p, double total) {
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    sum += weights[i];
    if (sum >= top_p * total) return i + 1;
  }
  return std::nullopt;
}

// What top-k and then top-p leave, most likely first. Without top-k the nucleus is looked for among
// ever more candidates.
void filter(std::span<const float> logits,
            const SamplingParams& params,
            float maximum,
            float inverse_temperature,
            Weighted& kept) {
  const auto top_p = static_cast<double>(params.top_p);
  if (params.top_k > 0) {
    most_likely(logits, static_cast<std::size_t>(params.top_k), kept.candidates);
    weigh(kept, maximum, inverse_temperature);
    if (params.top_p < 1.0F)
      kept.resize(reach(kept.weights, top_p, kept.total).value_or(kept.weights.size()));
    return;
  }
  const double total = total_weight(logits, maximum, inverse_temperature);
  for (std::size_t count = 64;; count *= 8) {
    most_likely(logits, count, kept.candidates);
    weigh(kept, maximum, inverse_temperature);
    const auto enough = reach(kept.weights, top_p, total);
    if (!enough && count < logits.size()) continue;
    kept.resize(enough.value_or(kept.weights.size()));
    return;
  }
}

std::int32_t draw(const Weighted& from, double random) {
  double left = random * from.total;
  for (std::size_t i = 0; i < from.weights.size(); ++i) {
    left -= from.weights[i];
    if (left < 0) return from.candidates[i].id;
  }
  // Rounding left a crumb: the last that has any weight.
  std::size_t last = from.weights.size() - 1;
  while (last > 0 && from.weights[last] == 0.0) --last;
  return from.candidates[last].id;
}

// With neither top-k nor top-p no order is needed: the vocabulary is walked as it lies.
std::int32_t draw_unordered(std::span<const float> logits,
                            float maximum,
                            float inverse_temperature,
                            double min_p,
                            double random) {
  const auto weight = [&](float logit) {
    const auto w = static_cast<double>(exp_below_zero((logit - maximum) * inverse_temperature));
    return w >= min_p ? w : 0.0;
  };
  double total = 0;
  if (min_p == 0.0)
    total = total_weight(logits, maximum, inverse_temperature);
  else
    for (const float logit : logits) total += weight(logit);
  double left = random * total;
  std::int32_t last = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double w = weight(logits[i]);
    if (w == 0.0) continue;
    last = static_cast<std::int32_t>(i);
    left -= w;
    if (left < 0) break;
  }
  return last;
}

std::int32_t choose(std::span<const float> logits,
                    float maximum,
                    const SamplingParams& params,
                    std::size_t position,
                    Weighted& kept) {
  if (params.temperature <= 0.0F) {
    return static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), maximum) -
                                     logits.begin());
  }
  // Finite, so that the most likely keeps its weight of 1.
  const float inverse_temperature =
      std::min(1.0F / params.temperature, std::numeric_limits<float>::max());
  const auto min_p = static_cast<double>(params.min_p);
  const double random = uniform(params, position);
  if (params.top_k <= 0 && params.top_p >= 1.0F) {
    return draw_unordered(logits, maximum, inverse_temperature, min_p, random);
  }
  filter(logits, params, maximum, inverse_temperature, kept);
  if (params.min_p > 0.0F) {
    const auto end = std::find_if(
        kept.weights.begin() + 1, kept.weights.end(), [&](double w) { return w < min_p; });
    kept.resize(static_cast<std::size_t>(end - kept.weights.begin()));
  }
  return draw(kept, random);
}

}  // namespace

struct Sampler::Scratch {
  SampledToken token;
  std::vector<std::int32_t> ids;
  Weighted kept;
  std::vector<Candidate> top;
};

Sampler::Sampler(std::size_t tokens_max, std::size_t vocab)
    : scratch_(std::make_unique<Scratch>()) {
  constexpr auto kTop = static_cast<std::size_t>(config::kTopLogprobsMax);
  scratch_->ids.reserve(tokens_max);
  scratch_->kept.candidates.reserve(kept_max(vocab));
  scratch_->kept.weights.reserve(vocab);
  scratch_->top.reserve(kept_max(kTop));
  scratch_->token.top_logprobs.reserve(kTop);
}

Sampler::~Sampler() = default;

std::size_t Sampler::bytes(std::size_t tokens_max, std::size_t vocab) {
  return tokens_max * sizeof(std::int32_t) + kept_max(vocab) * sizeof(Candidate) +
         vocab * sizeof(double);
}

const SampledToken& Sampler::sample(std::span<float> logits,
                                    const SamplingParams& params,
                                    std::span<const std::int32_t> prompt,
                                    std::span<const std::int32_t> produced,
                                    std::span<const std::int32_t> banned) {
  SampledToken& token = scratch_->token;
  token.id = -1;
  token.logprob = 0.0F;
  token.top_logprobs.clear();
  apply_penalties(logits, params, prompt, produced, scratch_->ids);
  for (const auto& [id, bias] : params.logit_bias) {
    if (in_vocabulary(id, logits)) logits[static_cast<std::size_t>(id)] += bias;
  }
  const std::optional<float> maximum = finite_maximum(logits);
  if (!maximum) return token;
  const bool wants_logprobs = params.top_logprobs >= 0;
  const double normalizer = wants_logprobs ? static_cast<double>(*maximum) +
                                                 std::log(total_weight(logits, *maximum, 1.0F))
                                           : 0.0;
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - normalizer);
  };
  if (wants_logprobs) {
    most_likely(logits, static_cast<std::size_t>(params.top_logprobs), scratch_->top);
    for (const Candidate& c : scratch_->top)
      token.top_logprobs.emplace_back(c.id, logprob(c.logit));
  }
  for (const std::int32_t id : banned) {
    if (in_vocabulary(id, logits))
      logits[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
  }
  const float largest = banned.empty() ? *maximum : *std::max_element(logits.begin(), logits.end());
  token.id = choose(logits, largest, params, produced.size(), scratch_->kept);
  if (wants_logprobs) token.logprob = logprob(logits[static_cast<std::size_t>(token.id)]);
  return token;
}

SampledToken sample(std::span<float> logits,
                    const SamplingParams& params,
                    std::span<const std::int32_t> prompt,
                    std::span<const std::int32_t> produced,
                    std::span<const std::int32_t> banned) {
  return Sampler().sample(logits, params, prompt, produced, banned);
}

}  // namespace troupe::model

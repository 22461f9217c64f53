#include "model/rope_frequencies.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "model/checksum.hpp"

namespace troupe::model {
namespace {

// "NTK-aware" scaling raises the base so that the slowest pair turns no further in the whole
// context than it did in the original one. Source: transformers/modeling_rope_utils.py,
// _compute_dynamic_ntk_parameters, at the length of the whole context.
double base_of(const Architecture& a) {
  const RopeScaling& scaling = a.rope_scaling;
  const auto base = static_cast<double>(a.rope_base);
  if (scaling.type != RopeScalingType::kDynamic) return base;
  const double dims = a.head_dim;
  const double stretch = static_cast<double>(a.context_max) / scaling.original_context;
  return base * std::pow(scaling.factor * stretch - (scaling.factor - 1.0), dims / (dims - 2.0));
}

// How much of the factor a pair is stretched by, 0 to 1. Peng et al., "YaRN",
// arxiv.org/abs/2309.00071, section 3.2, with the bounds in whole pairs and clamped as in
// transformers/modeling_rope_utils.py, _compute_yarn_parameters.
class YarnRamp {
 public:
  explicit YarnRamp(const Architecture& a)
      : low_(std::max(std::floor(pair_of(a, a.rope_scaling.beta_fast)), 0.0)),
        high_(std::min(std::ceil(pair_of(a, a.rope_scaling.beta_slow)), a.head_dim - 1.0)) {
    constexpr double kLeast = 0.001;  // for a ramp of no length
    if (low_ == high_) high_ += kLeast;
  }

  double at(double pair) const { return std::clamp((pair - low_) / (high_ - low_), 0.0, 1.0); }

 private:
  // The pair that makes so many turns in the original context.
  static double pair_of(const Architecture& a, double turns) {
    const double wave = a.rope_scaling.original_context / (turns * 2.0 * std::numbers::pi);
    return a.head_dim * std::log(wave) / (2.0 * std::log(static_cast<double>(a.rope_base)));
  }

  double low_;
  double high_;
};

double stretched(const Architecture& a, std::size_t pair, double frequency) {
  const RopeScaling& scaling = a.rope_scaling;
  if (scaling.type == RopeScalingType::kLinear) return frequency / scaling.factor;
  if (scaling.type != RopeScalingType::kYarn) return frequency;
  const double share = YarnRamp(a).at(static_cast<double>(pair));
  return frequency / scaling.factor * share + frequency * (1.0 - share);
}

}  // namespace

std::vector<double> rope_frequencies(const Architecture& architecture) {
  const double base = base_of(architecture);
  const std::vector<float>& divisors = architecture.rope_scaling.divisors;
  std::vector<double> frequencies;
  for (std::int32_t i = 0; i < architecture.head_dim / 2; ++i) {
    const auto pair = static_cast<std::size_t>(i);
    const double plain = std::pow(base, -2.0 * i / architecture.head_dim);
    const double frequency = stretched(architecture, pair, plain);
    frequencies.push_back(divisors.empty() ? frequency
                                           : frequency / static_cast<double>(divisors[pair]));
  }
  return frequencies;
}

std::string architecture_id(const Architecture& architecture) {
  const Architecture& a = architecture;
  std::vector<double> values = rope_frequencies(a);
  values.push_back(a.rope_scaling.attention_factor);
  values.push_back(static_cast<double>(a.norm_epsilon));
  for (const std::int32_t size :
       {a.layers, a.hidden, a.heads, a.kv_heads, a.head_dim, a.feed_forward, a.vocab})
    values.push_back(size);
  for (const bool flag : {a.rope_interleaved, a.query_key_norms}) values.push_back(flag ? 1 : 0);
  return "-a" + hexadecimal(checksum(std::as_bytes(std::span<const double>(values))));
}

std::string_view rope_scaling_name(const Architecture& architecture) {
  const RopeScaling& scaling = architecture.rope_scaling;
  if (scaling.type == RopeScalingType::kLinear) return "linear";
  if (scaling.type == RopeScalingType::kYarn) return "yarn";
  if (scaling.type == RopeScalingType::kDynamic) return "dynamic";
  return scaling.divisors.empty() ? "none" : "llama3";
}

}  // namespace troupe::model

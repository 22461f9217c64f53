#include "apps/top_logprobs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace troupe::apps {

namespace {

// ln Σ e^logit; empty when a logit is not finite.
std::optional<double> log_sum_of(std::span<const float> logits) {
  const auto is_finite = [](float logit) { return std::isfinite(logit); };
  if (logits.empty() || !std::ranges::all_of(logits, is_finite)) return std::nullopt;
  const double highest = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
  return highest + std::log(sum);
}

}  // namespace

std::optional<double> logprob_of(std::span<const float> logits, std::int32_t id) {
  const auto log_sum = log_sum_of(logits);
  if (!log_sum) return std::nullopt;
  return static_cast<double>(logits[static_cast<std::size_t>(id)]) - *log_sum;
}

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, std::size_t count) {
  const auto log_sum = log_sum_of(logits);
  if (!log_sum) return {};
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, order.size()));
  std::partial_sort(order.begin(), middle, order.end(), [&](std::int32_t a, std::int32_t b) {
    const float left = logits[static_cast<std::size_t>(a)];
    const float right = logits[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  });
  std::vector<TokenLogprob> top;
  for (auto id = order.begin(); id != middle; ++id) {
    top.push_back({*id, static_cast<double>(logits[static_cast<std::size_t>(*id)]) - *log_sum});
  }
  return top;
}

}  // namespace troupe::apps

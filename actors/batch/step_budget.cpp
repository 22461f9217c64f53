#include "actors/batch/step_budget.hpp"

#include <algorithm>

namespace troupe::actors::batch {
namespace {

// A quarter: one step that a busy machine made slow moves the estimate a little, and four steps of
// another kind move it most of the way.
constexpr double kWeight = 0.25;

void learn(double& estimate, double measured) {
  estimate = estimate == 0 ? measured : estimate + kWeight * (measured - estimate);
}

}  // namespace

std::uint32_t StepBudget::prompt_tokens(std::uint32_t streams) const {
  const std::uint32_t room = options_.tokens_max - std::min(streams, options_.tokens_max);
  if (streams == 0 || options_.step_us_target == 0) return room;
  if (prompt_token_us_ == 0) return std::min(room, options_.tokens_min);
  const double left_us = static_cast<double>(options_.step_us_target) - decode_us_;
  // At most twice the last piece: an estimate that is wrong by far costs one step little.
  const auto most = static_cast<double>(std::min(room, 2 * last_piece_));
  const double tokens = std::clamp(left_us / prompt_token_us_, 0.0, most);
  return std::min(room, std::max(static_cast<std::uint32_t>(tokens), options_.tokens_min));
}

void StepBudget::observe(std::uint32_t streams,
                         std::uint32_t prompt_tokens,
                         std::uint64_t step_us) {
  const auto us = static_cast<double>(step_us);
  if (prompt_tokens == 0) return learn(decode_us_, us);
  // A few tokens say more about the step than about themselves.
  if (prompt_tokens < options_.tokens_min) return;
  if (streams > 0) last_piece_ = prompt_tokens;
  const double own_us = us - (streams == 0 ? 0.0 : decode_us_);
  // The streams' share leaves next to nothing: it was learned when there were more of them.
  if (own_us < us * 0.1) {
    decode_us_ /= 2;
    return;
  }
  learn(prompt_token_us_, own_us / static_cast<double>(prompt_tokens));
}

}  // namespace troupe::actors::batch

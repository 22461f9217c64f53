// How many prompt tokens a step may compute beside running streams, so that it ends in the time
// that the streams may be made to wait. Pure: measured times come in.
#pragma once

#include <cstdint>

namespace troupe::actors::batch {

struct StepBudgetOptions {
  std::uint32_t tokens_max = 0;      // of a step, streams included
  std::uint32_t tokens_min = 0;      // prompt tokens that a step takes at least: prompts go on
  std::uint64_t step_us_target = 0;  // of a step with running streams; 0: none
};

// Learns two numbers from the steps: what one without prompts takes, and what a prompt token adds.
class StepBudget {
 public:
  explicit StepBudget(const StepBudgetOptions& options) : options_(options) {}

  // Prompt tokens for a step beside `streams` decoding streams.
  std::uint32_t prompt_tokens(std::uint32_t streams) const;

  // A step with these tokens took `step_us`.
  void observe(std::uint32_t streams, std::uint32_t prompt_tokens, std::uint64_t step_us);

 private:
  StepBudgetOptions options_;
  double decode_us_ = 0;          // of a step of streams alone; 0: not measured yet
  double prompt_token_us_ = 0;    // that one prompt token adds; 0: not measured yet
  std::uint32_t last_piece_ = 0;  // prompt tokens of the last step that had streams too
};

}  // namespace troupe::actors::batch

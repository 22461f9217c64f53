#include "actors/batch/step_journal.hpp"

#include <utility>

#include "config/limits.hpp"

namespace troupe::actors::batch {

StepJournal::StepJournal() { records_.reserve(config::kStepRecordsMax); }

void StepJournal::begin(const messages::Batch& batch) {
  current_ = {.step = batch.step, .sequences = static_cast<std::uint32_t>(batch.slices.size())};
  for (const messages::BatchSlice& slice : batch.slices) {
    // A running stream has exactly its newest token to compute, and samples behind it.
    const bool decoding = slice.count == 1 && slice.sample;
    auto& tokens = decoding ? current_.decode_tokens : current_.prefill_tokens;
    tokens += static_cast<std::uint32_t>(slice.count);
  }
}

void StepJournal::finish(const messages::BatchResult& result,
                         std::uint64_t unix_us,
                         const messages::StepRecord& after) {
  if (records_.size() == config::kStepRecordsMax) return;
  current_.unix_us = unix_us;
  current_.step_us = result.step_us;
  current_.waiting = after.waiting;
  current_.kv_blocks_used = after.kv_blocks_used;
  current_.kv_blocks_free = after.kv_blocks_free;
  current_.preemptions = after.preemptions;
  records_.push_back(current_);
}

// A copy, so that the journal keeps the memory that it reserved.
std::vector<messages::StepRecord> StepJournal::take() {
  std::vector<messages::StepRecord> taken(records_);
  records_.clear();
  return taken;
}

}  // namespace troupe::actors::batch

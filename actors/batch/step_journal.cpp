#include "actors/batch/step_journal.hpp"

#include <utility>

#include "config/limits.hpp"

namespace troupe::actors::batch {

StepJournal::StepJournal() { records_.reserve(config::kStepRecordsMax); }

void StepJournal::begin(const messages::Batch& batch) {
  auto& [record, samples] = under_way_.emplace_back();
  record.step = batch.step;
  record.sequences = static_cast<std::uint32_t>(batch.slices.size());
  for (const messages::BatchSlice& slice : batch.slices) {
    // A running stream has exactly its newest token to compute, and samples behind it.
    const bool decoding = slice.count == 1 && slice.sample;
    auto& tokens = decoding ? record.decode_tokens : record.prefill_tokens;
    tokens += static_cast<std::uint32_t>(slice.count);
    samples += slice.sample ? 1 : 0;
  }
}

void StepJournal::finish(const messages::BatchResult& result,
                         std::uint64_t unix_us,
                         const messages::StepRecord& after) {
  auto [record, samples] = std::move(under_way_.front());
  under_way_.pop_front();
  const auto passed_over = static_cast<std::uint32_t>(samples - result.outcomes.size());
  record.sequences -= passed_over;
  record.decode_tokens -= passed_over;
  const bool computed = record.decode_tokens + record.prefill_tokens > 0;
  if (!computed || records_.size() == config::kStepRecordsMax) return;
  record.unix_us = unix_us;
  record.step_us = result.step_us;
  record.ops = result.ops;
  record.waiting = after.waiting;
  record.kv_blocks_used = after.kv_blocks_used;
  record.kv_blocks_free = after.kv_blocks_free;
  record.preemptions = after.preemptions;
  records_.push_back(std::move(record));
}

// A copy, so that the journal keeps the memory that it reserved.
std::vector<messages::StepRecord> StepJournal::take() {
  std::vector<messages::StepRecord> taken(records_);
  records_.clear();
  return taken;
}

}  // namespace troupe::actors::batch

#include "actors/batch/batcher.hpp"

#include <algorithm>
#include <utility>

#include "config/check.hpp"

namespace troupe::actors::batch {
namespace {

// A cancel overtakes its work only within one burst of frames; older tombstones are of works that
// had ended.
constexpr std::size_t kTombstonesMax = 256;

std::int32_t size_of(const std::vector<std::int32_t>& tokens) {
  return static_cast<std::int32_t>(tokens.size());
}

}  // namespace

Batcher::Batcher(const BatcherOptions& options) : options_(options), blocks_(options.kv_blocks) {
  CHECK(options.step_tokens_max >= options.sequences_max,
        "every running stream gets its token in every step");
}

void Batcher::add(messages::WorkItem item) {
  const auto cancelled = std::ranges::find_if(tombstones_, [&](const messages::CancelWork& cancel) {
    return cancel.request_id == item.request_id && cancel.attempt >= item.attempt;
  });
  if (cancelled != tombstones_.end()) {
    tombstones_.erase(cancelled);
    released_.push_back(item.request_id);
    return;
  }
  Sequence sequence;
  sequence.known = size_of(item.prompt_tokens) + size_of(item.produced_tokens);
  sequence.work = std::move(item);
  waiting_.push_back(std::move(sequence));
}

void Batcher::cancel(const messages::CancelWork& cancel) {
  const auto is_meant = [&](const Sequence& sequence) {
    return sequence.work.request_id == cancel.request_id && sequence.work.attempt <= cancel.attempt;
  };
  if (const auto found = std::ranges::find_if(waiting_, is_meant); found != waiting_.end()) {
    retire(*found);
    waiting_.erase(found);
    return;
  }
  if (const auto found = std::ranges::find_if(running_, is_meant); found != running_.end()) {
    found->cancelled = true;
    if (!in_flight_) sweep_cancelled();
    return;
  }
  tombstones_.push_back(cancel);
  if (tombstones_.size() > kTombstonesMax) tombstones_.pop_front();
}

void Batcher::drop_all() {
  for (Sequence& sequence : waiting_) retire(sequence);
  waiting_.clear();
  for (Sequence& sequence : running_) sequence.cancelled = true;
  if (!in_flight_) sweep_cancelled();
  released_.clear();
  tombstones_.clear();
}

std::optional<messages::Batch> Batcher::next_batch() {
  if (in_flight_) return std::nullopt;
  admit();
  if (running_.empty()) return std::nullopt;
  messages::Batch batch{.step = ++steps_, .left = std::exchange(left_, {})};
  plan_slices(batch);
  CHECK(!batch.slices.empty(),
        "the oldest sequence always fits: no request is larger than the pool");
  for (Sequence& sequence : running_) {
    if (!std::exchange(sequence.at_infer, true)) batch.joined.push_back(sequence.work);
  }
  in_flight_ = batch;
  return batch;
}

// Gives every running sequence its share of the step.
void Batcher::plan_slices(messages::Batch& batch) {
  std::uint32_t budget = options_.step_tokens_max;
  // Index, not iterator: reserving may preempt the youngest, which is the last. Streams first, so
  // that no prompt takes their share of the step.
  for (const bool decoding : {true, false}) {
    for (std::size_t i = 0; i < running_.size() && budget > 0; ++i) {
      Sequence& sequence = running_[i];
      const std::int32_t missing = sequence.known - sequence.computed;
      if ((missing == 1) != decoding) continue;
      const std::int32_t count = std::min(missing, static_cast<std::int32_t>(budget));
      if (!reserve(sequence, sequence.computed + count)) continue;
      budget -= static_cast<std::uint32_t>(count);
      batch.slices.push_back({.request_id = sequence.work.request_id,
                              .position = sequence.computed,
                              .count = count,
                              .sample = count == missing,
                              .blocks = sequence.blocks});
    }
  }
  // A prompt may have preempted a younger stream that had its slice already.
  std::erase_if(batch.slices, [&](const messages::BatchSlice& slice) {
    return find_running(slice.request_id) == nullptr;
  });
}

void Batcher::finish(const messages::BatchResult& result) {
  CHECK(in_flight_ && in_flight_->step == result.step,
        "one step is under way, and this is its result");
  const messages::Batch batch = std::move(*in_flight_);
  in_flight_.reset();
  for (const messages::BatchSlice& slice : batch.slices) {
    if (Sequence* sequence = find_running(slice.request_id)) sequence->computed += slice.count;
  }
  for (const messages::BatchOutcome& outcome : result.outcomes) {
    Sequence* sequence = find_running(outcome.request_id);
    if (sequence == nullptr) continue;
    if (outcome.token >= 0) {
      sequence->work.produced_tokens.push_back(outcome.token);
      ++sequence->known;
    }
    sequence->cancelled |= outcome.finished;
  }
  sweep_cancelled();
}

std::vector<std::uint64_t> Batcher::take_released() { return std::exchange(released_, {}); }

// Lets waiting sequences run while their known tokens and one more fit into what is free.
void Batcher::admit() {
  while (!waiting_.empty() && running_.size() < options_.sequences_max) {
    const std::int32_t tokens = waiting_.front().known + 1;
    if (blocks_for(tokens) > blocks_.free()) return;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    CHECK(reserve(running_.back(), tokens), "it was counted that they fit");
  }
}

// Makes the sequence's blocks cover `tokens`, at the cost of younger sequences if need be.
bool Batcher::reserve(Sequence& sequence, std::int32_t tokens) {
  const std::int32_t missing = blocks_for(tokens) - size_of(sequence.blocks);
  if (missing <= 0) return true;
  while (blocks_.free() < missing) {
    if (running_.back().work.request_id == sequence.work.request_id) return false;
    preempt_youngest();
  }
  return blocks_.take(missing, sequence.blocks);
}

void Batcher::preempt_youngest() {
  Sequence youngest = std::move(running_.back());
  running_.pop_back();
  blocks_.give_back(youngest.blocks);
  youngest.computed = 0;
  waiting_.push_front(std::move(youngest));
  ++preemptions_;
}

// The sequence is over: its blocks are free, infer forgets it, dispatch gets its credit.
void Batcher::retire(Sequence& sequence) {
  blocks_.give_back(sequence.blocks);
  if (sequence.at_infer) left_.push_back(sequence.work.request_id);
  released_.push_back(sequence.work.request_id);
}

void Batcher::sweep_cancelled() {
  for (Sequence& sequence : running_) {
    if (sequence.cancelled) retire(sequence);
  }
  std::erase_if(running_, [](const Sequence& sequence) { return sequence.cancelled; });
}

std::int32_t Batcher::blocks_for(std::int32_t tokens) const {
  return (tokens + options_.block_tokens - 1) / options_.block_tokens;
}

Sequence* Batcher::find_running(std::uint64_t request_id) {
  const auto found = std::ranges::find_if(
      running_, [&](const Sequence& sequence) { return sequence.work.request_id == request_id; });
  return found == running_.end() ? nullptr : &*found;
}

}  // namespace troupe::actors::batch

#include "actors/batch/batcher.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "config/check.hpp"

namespace troupe::actors::batch {
namespace {

// A cancel overtakes its work only within one burst of frames; older tombstones are of works that
// had ended.
constexpr std::size_t kTombstonesMax = 256;

// A step that is planned ahead saves the pause between two, some 0.4 ms (bench/http_streams.py
// states it), and makes a request that comes meanwhile wait for one step more. Of longer steps the
// pause is below 2 %.
constexpr std::uint64_t kAheadStepUsMax = 20'000;

template <class Item>
std::int32_t size_of(const std::vector<Item>& items) {
  return static_cast<std::int32_t>(items.size());
}

}  // namespace

Batcher::Batcher(const BatcherOptions& options)
    : options_(options),
      blocks_(options.kv_blocks),
      cache_({.blocks = options.kv_blocks,
              .block_tokens = options.block_tokens,
              .numerics_id = options.numerics_id}),
      // A block of a prompt is computed in every step, or prompts would starve beside slow streams.
      budget_({.tokens_max = options.step_tokens_max,
               .tokens_min = static_cast<std::uint32_t>(options.block_tokens),
               .step_us_target = options.step_us_target}) {
  CHECK(options.step_tokens_max >= options.sequences_max,
        "every running stream gets its token in every step");
}

void Batcher::add(messages::WorkItem item) {
  const auto cancelled = std::ranges::find_if(tombstones_, [&](const messages::CancelWork& cancel) {
    return cancel.request_id == item.request_id && cancel.attempt >= item.attempt;
  });
  if (cancelled != tombstones_.end()) {
    tombstones_.erase(cancelled);
    released_.push_back({item.request_id, item.attempt});
    return;
  }
  // A message that was lost with a link may leave an earlier attempt here when the next one comes.
  if (const Sequence* known = find_uncancelled(item.request_id)) {
    if (known->work.attempt >= item.attempt) return;
    cancel({.request_id = item.request_id, .attempt = known->work.attempt});
  }
  Sequence sequence{.tokens = item.prompt_tokens};
  sequence.tokens.insert(
      sequence.tokens.end(), item.produced_tokens.begin(), item.produced_tokens.end());
  sequence.tokens_max = item.prompt_tokens.size() + item.sampling.max_tokens;
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
    sweep_cancelled();
    return;
  }
  tombstones_.push_back(cancel);
  if (tombstones_.size() > kTombstonesMax) tombstones_.pop_front();
}

void Batcher::drop_all() {
  for (Sequence& sequence : waiting_) retire(sequence);
  waiting_.clear();
  for (Sequence& sequence : running_) sequence.cancelled = sequence.dropped = true;
  sweep_cancelled();
  released_.clear();
  tombstones_.clear();
}

std::optional<messages::Batch> Batcher::next_batch() {
  std::optional<messages::Batch> batch = in_flight_.empty() ? plan() : plan_ahead();
  if (!batch) return batch;
  batch->step = ++steps_;
  tell_changes(*batch);
  in_flight_.push_back(*batch);
  return batch;
}

std::optional<messages::Batch> Batcher::plan() {
  admit();
  if (running_.empty()) return std::nullopt;
  messages::Batch batch;
  plan_streams(batch);
  plan_prompts(batch, budget_.prompt_tokens(static_cast<std::uint32_t>(batch.slices.size())));
  CHECK(!batch.slices.empty(),
        "the oldest sequence always fits: no request is larger than the pool");
  return batch;
}

// The step behind the one under way, when only streams run: one token more of each, which that one
// will have drawn. None when somebody waits to join it, or when it would need another's blocks.
std::optional<messages::Batch> Batcher::plan_ahead() {
  if (!options_.plans_ahead || in_flight_.size() > 1 || !waiting_.empty()) return std::nullopt;
  if (step_us_ > kAheadStepUsMax) return std::nullopt;
  messages::Batch batch;
  for (Sequence& sequence : running_) {
    if (!sequence.cancelled && !extend(in_flight_.back(), sequence, batch)) return std::nullopt;
  }
  if (batch.slices.empty()) return std::nullopt;
  return batch;
}

// Adds the token that the sequence will have after `last`, unless that is its end. False when it
// has none then, or no block for it.
bool Batcher::extend(const messages::Batch& last, Sequence& sequence, messages::Batch& batch) {
  const std::uint64_t id = sequence.work.request_id;
  const auto slice = std::ranges::find(last.slices, id, &messages::BatchSlice::request_id);
  if (slice == last.slices.end() || !slice->sample) return false;
  const std::int32_t position = slice->position + slice->count;
  if (static_cast<std::uint64_t>(position) + 1 >= sequence.tokens_max) return true;
  const std::int32_t missing = blocks_for(position + 1) - size_of(sequence.blocks);
  if (missing > 0 && !(make_room(missing) && blocks_.take(missing, sequence.blocks))) return false;
  sequence.turn = ++turns_;
  batch.slices.push_back({.request_id = id,
                          .position = position,
                          .count = 1,
                          .sample = true,
                          .cached_tokens = sequence.cached_tokens,
                          .blocks = sequence.blocks});
  return true;
}

// What infer has not heard yet: who left, which blocks it zeroes, who joins.
void Batcher::tell_changes(messages::Batch& batch) {
  batch.left = std::exchange(left_, {});
  batch.stained_blocks = std::exchange(stained_, {});
  for (Sequence& sequence : running_) {
    if (std::exchange(sequence.at_infer, true)) continue;
    batch.joined.push_back(sequence.work);
    sequence.work.prompt_tokens = {};
    sequence.work.produced_tokens = {};
  }
}

// Running streams get their token first, so that no prompt takes their share of the step.
void Batcher::plan_streams(messages::Batch& batch) {
  // Index, not iterator: reserving may preempt the youngest, which is the last.
  for (std::size_t i = 0; i < running_.size(); ++i) {
    if (running_[i].missing() != 1) continue;
    if (reserve(running_[i], running_[i].known())) add_slice(batch, running_[i], 1);
  }
}

// Prompts share what is left of the step: equal shares of whole blocks, and what one does not need
// goes to the others. Where there are more prompts than blocks, those that waited longest go first.
void Batcher::plan_prompts(messages::Batch& batch, std::uint32_t budget) {
  std::vector<Sequence*> prompts;
  for (Sequence& sequence : running_) {
    if (sequence.missing() > 1) prompts.push_back(&sequence);
  }
  if (prompts.empty()) return;
  std::ranges::stable_sort(prompts, {}, &Sequence::turn);
  auto left = static_cast<std::int32_t>(budget);
  const std::int32_t equal = left / size_of(prompts) / options_.block_tokens;
  const std::int32_t share = std::max(equal, 1) * options_.block_tokens;
  std::vector<std::int32_t> counts;
  for (const Sequence* prompt : prompts) {
    counts.push_back(std::min({prompt->missing(), share, left}));
    left -= counts.back();
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::int32_t more = std::min(prompts[i]->missing() - counts[i], left);
    left -= more;
    if (counts[i] + more > 0) add_slice(batch, *prompts[i], counts[i] + more);
  }
}

void Batcher::add_slice(messages::Batch& batch, Sequence& sequence, std::int32_t count) {
  sequence.turn = ++turns_;
  batch.slices.push_back({.request_id = sequence.work.request_id,
                          .position = sequence.computed,
                          .count = count,
                          .sample = count == sequence.missing(),
                          .cached_tokens = sequence.cached_tokens,
                          .blocks = sequence.blocks});
}

void Batcher::finish(const messages::BatchResult& result) {
  CHECK(!in_flight_.empty() && in_flight_.front().step == result.step,
        "a step is under way, and this is its result");
  const messages::Batch batch = std::move(in_flight_.front());
  in_flight_.pop_front();
  learn(batch, result);
  auto outcome = result.outcomes.begin();
  for (const messages::BatchSlice& slice : batch.slices) {
    const bool has_outcome =
        slice.sample && outcome != result.outcomes.end() && outcome->request_id == slice.request_id;
    if (slice.sample && !has_outcome) continue;  // it had ended before: infer passed over it
    Sequence* sequence = find_running(slice.request_id);
    CHECK(sequence != nullptr, "whoever is under way runs");
    sequence->computed += slice.count;
    if (has_outcome) take(*outcome++, *sequence);
  }
  sweep_cancelled();
}

void Batcher::take(const messages::BatchOutcome& outcome, Sequence& sequence) {
  if (outcome.token >= 0) {
    publish(sequence);
    sequence.tokens.push_back(outcome.token);
  }
  sequence.cancelled |= outcome.finished;
}

// What infer passed over took no time, and who is passed over is a stream.
void Batcher::learn(const messages::Batch& batch, const messages::BatchResult& result) {
  std::uint32_t streams = 0;
  std::uint32_t prompt_tokens = 0;
  auto passed_over = -std::ssize(result.outcomes);
  for (const messages::BatchSlice& slice : batch.slices) {
    const bool stream = slice.sample && slice.count == 1;
    stream ? ++streams : prompt_tokens += static_cast<std::uint32_t>(slice.count);
    passed_over += slice.sample ? 1 : 0;
  }
  streams -= static_cast<std::uint32_t>(passed_over);
  if (streams + prompt_tokens == 0) return;
  step_us_ = result.step_us;
  budget_.observe(streams, prompt_tokens, result.step_us);
}

BlockCounts Batcher::blocks() const {
  const std::int32_t cached = cache_.unused();
  return {.used = blocks_.used() - cached, .cached = cached, .free = blocks_.free()};
}

std::vector<messages::ReleasedWork> Batcher::take_released() {
  return std::exchange(released_, {});
}

// Lets waiting sequences run while what they know and one token more fit beside the others.
void Batcher::admit() {
  while (!waiting_.empty() && running_.size() < options_.sequences_max) {
    if (!begin(waiting_.front())) return;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

// Gives a sequence its blocks, cached ones first. False and nothing changed when they do not fit.
bool Batcher::begin(Sequence& sequence) {
  if (options_.prefix_cache) {
    // The last known token is always computed: the next one is drawn from its logits.
    const auto tokens = std::span(sequence.tokens).first(sequence.tokens.size() - 1);
    cache_.acquire(tokens, sequence.work.cache_salt, sequence.blocks);
    sequence.shared = sequence.blocks.size();
  }
  const std::int32_t missing = blocks_for(sequence.known() + 1) - size_of(sequence.blocks);
  if (!make_room(missing)) {
    give_back(sequence);
    return false;
  }
  blocks_.take(missing, sequence.blocks);
  sequence.computed = static_cast<std::int32_t>(sequence.shared) * options_.block_tokens;
  sequence.proven = sequence.computed;
  hit_tokens_ += static_cast<std::uint64_t>(sequence.computed);
  if (!sequence.at_infer) {
    const std::int32_t prompt = size_of(sequence.work.prompt_tokens);
    sequence.cached_tokens = static_cast<std::uint32_t>(std::min(sequence.computed, prompt));
  }
  return true;
}

// Makes the sequence's blocks cover `tokens`, at the cost of younger sequences if need be.
bool Batcher::reserve(Sequence& sequence, std::int32_t tokens) {
  const std::int32_t missing = blocks_for(tokens) - size_of(sequence.blocks);
  if (missing <= 0) return true;
  while (!make_room(missing)) {
    if (running_.back().work.request_id == sequence.work.request_id) return false;
    preempt_youngest();
  }
  return blocks_.take(missing, sequence.blocks);
}

// Evicts cached blocks until so many are free; false and nothing changed when that is not enough.
bool Batcher::make_room(std::int32_t blocks) {
  if (blocks_.free() + cache_.unused() < blocks) return false;
  while (blocks_.free() < blocks) {
    std::vector<std::int32_t> evicted{cache_.evict()};
    blocks_.give_back(evicted);
  }
  return true;
}

// The sequence's logits were finite, and they were made of every key and value before them: its
// whole blocks may be shared. A chunk without logits proves nothing, so it waits for the next one.
void Batcher::publish(Sequence& sequence) {
  sequence.proven = sequence.computed;
  if (!options_.prefix_cache) return;
  const auto size = static_cast<std::size_t>(options_.block_tokens);
  const std::size_t whole = static_cast<std::size_t>(sequence.computed) / size;
  for (std::size_t& i = sequence.shared; i < whole; ++i) {
    const std::int32_t parent = i == 0 ? PrefixCache::kRoot : sequence.blocks[i - 1];
    const auto tokens = std::span(sequence.tokens).subspan(i * size, size);
    const std::int32_t own = sequence.blocks[i];
    sequence.blocks[i] = cache_.publish(parent, tokens, sequence.work.cache_salt, own);
    std::vector<std::int32_t> spare{own};  // another sequence computed the same: theirs is used
    if (sequence.blocks[i] != own) blocks_.give_back(spare);
  }
}

// Takes the sequence's blocks away. What no finite logit has vouched for may hold a NaN, which
// would survive a weight of zero in the block's next sequence: infer zeroes it first.
void Batcher::give_back(Sequence& sequence) {
  const auto begin = sequence.blocks.begin();
  cache_.release(std::span(sequence.blocks).first(sequence.shared));
  if (sequence.computed > sequence.proven) {
    const std::int32_t first = sequence.proven / options_.block_tokens;
    stained_.insert(stained_.end(), begin + first, begin + blocks_for(sequence.computed));
  }
  sequence.blocks.erase(begin, begin + static_cast<std::ptrdiff_t>(sequence.shared));
  blocks_.give_back(sequence.blocks);
  sequence.computed = sequence.proven = 0;
  sequence.shared = 0;
}

void Batcher::preempt_youngest() {
  Sequence youngest = std::move(running_.back());
  running_.pop_back();
  give_back(youngest);
  waiting_.push_front(std::move(youngest));
  ++preemptions_;
}

// The sequence is over: its blocks are free, infer forgets it, dispatch gets its credit.
void Batcher::retire(Sequence& sequence) {
  give_back(sequence);
  if (sequence.at_infer) left_.push_back(sequence.work.request_id);
  if (!sequence.dropped) {
    released_.push_back({sequence.work.request_id, sequence.work.attempt});
  }
}

void Batcher::sweep_cancelled() {
  std::erase_if(running_, [this](Sequence& sequence) {
    const bool leaves = sequence.cancelled && !is_under_way(sequence.work.request_id);
    if (leaves) retire(sequence);
    return leaves;
  });
}

bool Batcher::is_under_way(std::uint64_t request_id) const {
  return std::ranges::any_of(in_flight_, [=](const messages::Batch& batch) {
    return std::ranges::count(batch.slices, request_id, &messages::BatchSlice::request_id) > 0;
  });
}

std::int32_t Batcher::blocks_for(std::int32_t tokens) const {
  return (tokens + options_.block_tokens - 1) / options_.block_tokens;
}

const Sequence* Batcher::find_uncancelled(std::uint64_t request_id) const {
  const auto is_it = [&](const Sequence& sequence) {
    return sequence.work.request_id == request_id && !sequence.cancelled;
  };
  const auto waits = std::ranges::find_if(waiting_, is_it);
  if (waits != waiting_.end()) return &*waits;
  const auto runs = std::ranges::find_if(running_, is_it);
  return runs != running_.end() ? &*runs : nullptr;
}

Sequence* Batcher::find_running(std::uint64_t request_id) {
  const auto found = std::ranges::find_if(
      running_, [&](const Sequence& sequence) { return sequence.work.request_id == request_id; });
  return found == running_.end() ? nullptr : &*found;
}

}  // namespace troupe::actors::batch

// Everything the batcher knows: who waits, who runs, who owns which KV block. Pure: it never sends.
//
// Continuous batching at the level of steps (Orca, OSDI 2022): a request joins at the next step and
// leaves when it is done. Prompts are computed in chunks beside the running streams (Sarathi-Serve,
// OSDI 2024), no more of them in a step than its target time allows. Blocks whose content was found
// finite are shared with prompts that begin alike; when the KV pool runs out, first what nobody
// uses goes, then the youngest sequence gives its blocks back and is recomputed later. While
// streams alone run, their next step is planned before they have the tokens of this one
// (docs/decisions/0023-steps-planned-ahead.md): infer never waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "actors/batch/block_pool.hpp"
#include "actors/batch/prefix_cache.hpp"
#include "actors/batch/step_budget.hpp"
#include "messages/batch.hpp"
#include "messages/batch_result.hpp"
#include "messages/cancel.hpp"
#include "messages/work_item.hpp"
#include "messages/worker_link.hpp"

namespace troupe::actors::batch {

struct BatcherOptions {
  std::uint32_t sequences_max = 0;    // in one step
  std::uint32_t step_tokens_max = 0;  // in one step; at least sequences_max
  std::int32_t kv_blocks = 0;
  std::int32_t block_tokens = 0;     // tokens in one KV block
  std::uint64_t step_us_target = 0;  // of a step with running streams and prompts; 0: none
  bool prefix_cache = false;
  bool plans_ahead = false;  // a second step while one is under way, where it is known already
  std::string numerics_id;   // of the engine; what the cache holds is its
};

struct Sequence {
  messages::WorkItem work;           // without its tokens once infer has it
  std::vector<std::int32_t> tokens;  // [prompt + produced]
  std::uint64_t tokens_max = 0;      // that it may grow to
  std::uint32_t cached_tokens = 0;   // of the prompt, that were cached when it first ran
  std::int32_t computed = 0;         // tokens that have keys and values in the cache
  std::int32_t proven = 0;           // of these, those that logits have shown to be finite
  std::vector<std::int32_t> blocks;  // KV blocks in order
  std::size_t shared = 0;            // how many of them, from the first on, the prefix cache has
  std::uint64_t turn = 0;            // of all slices so far, which was its last
  bool at_infer = false;             // infer has the work item
  bool cancelled = false;            // leaves as soon as no step uses it
  bool dropped = false;              // whoever sent it has written it off: nobody hears of its end

  std::int32_t known() const { return static_cast<std::int32_t>(tokens.size()); }

  std::int32_t missing() const { return known() - computed; }
};

// Where every block of the pool is: the three add up to it.
struct BlockCounts {
  std::int32_t used = 0;    // by sequences
  std::int32_t cached = 0;  // by nobody, content kept
  std::int32_t free = 0;
};

class Batcher {
 public:
  explicit Batcher(const BatcherOptions& options);

  // `item.request_id` is not known yet, but for a cancel that overtook it.
  void add(messages::WorkItem item);

  // Ends a request here, or marks one that has not arrived yet.
  void cancel(const messages::CancelWork& cancel);

  // The front is a new one: what an older one sent is of no use.
  void drop_all();

  // The next step for infer, which does them in order; or nothing while enough are under way or
  // nobody needs one. A sequence that ends in a step may still be in the one behind it, which infer
  // then passes over.
  std::optional<messages::Batch> next_batch();

  // Takes a step's outcome. `result.step` is the oldest one under way.
  void finish(const messages::BatchResult& result);

  // Requests that hold nothing any more since the last call; each gives a credit back.
  std::vector<messages::ReleasedWork> take_released();

  std::size_t running() const { return running_.size(); }

  std::size_t waiting() const { return waiting_.size(); }

  BlockCounts blocks() const;

  std::uint64_t preemptions() const { return preemptions_; }

  // Tokens that the prefix cache saved from being computed, since start.
  std::uint64_t hit_tokens() const { return hit_tokens_; }

  std::uint64_t steps() const { return steps_; }

  // The oldest one under way; 0: none is.
  std::uint64_t step_under_way() const { return in_flight_.empty() ? 0 : in_flight_.front().step; }

 private:
  std::optional<messages::Batch> plan();
  std::optional<messages::Batch> plan_ahead();
  bool extend(const messages::Batch& last, Sequence& sequence, messages::Batch& batch);
  void tell_changes(messages::Batch& batch);
  void admit();
  bool begin(Sequence& sequence);
  void plan_streams(messages::Batch& batch);
  void plan_prompts(messages::Batch& batch, std::uint32_t budget);
  void add_slice(messages::Batch& batch, Sequence& sequence, std::int32_t count);
  bool reserve(Sequence& sequence, std::int32_t tokens);
  bool make_room(std::int32_t blocks);
  void publish(Sequence& sequence);
  void give_back(Sequence& sequence);
  void preempt_youngest();
  void retire(Sequence& sequence);
  void sweep_cancelled();
  bool is_under_way(std::uint64_t request_id) const;
  void take(const messages::BatchOutcome& outcome, Sequence& sequence);
  void learn(const messages::Batch& batch, const messages::BatchResult& result);
  std::int32_t blocks_for(std::int32_t tokens) const;
  const Sequence* find_uncancelled(std::uint64_t request_id) const;
  Sequence* find_running(std::uint64_t request_id);

  BatcherOptions options_;
  BlockPool blocks_;
  PrefixCache cache_;
  StepBudget budget_;
  std::deque<Sequence> waiting_;                  // hold no blocks; the first is next
  std::vector<Sequence> running_;                 // hold blocks, oldest first
  std::vector<std::uint64_t> left_;               // to be told to infer with the next batch
  std::vector<std::int32_t> stained_;             // blocks that infer must zero, likewise
  std::vector<messages::ReleasedWork> released_;  // to be told to dispatch
  std::deque<messages::CancelWork> tombstones_;   // cancels that overtook their work
  std::deque<messages::Batch> in_flight_;         // oldest first, at most two
  std::uint64_t steps_ = 0;
  std::uint64_t step_us_ = 0;  // of the last one that ended
  std::uint64_t turns_ = 0;    // slices so far
  std::uint64_t preemptions_ = 0;
  std::uint64_t hit_tokens_ = 0;
};

}  // namespace troupe::actors::batch

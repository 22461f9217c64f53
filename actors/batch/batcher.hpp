// Everything the batcher knows: who waits, who runs, who owns which KV block. Pure: it never sends.
//
// Continuous batching at the level of steps (Orca, OSDI 2022): a request joins at the next step and
// leaves when it is done. Prompts are computed in chunks beside the running streams (Sarathi-Serve,
// OSDI 2024); when the KV pool runs out, the youngest sequence gives its blocks back and is
// recomputed later.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "actors/batch/block_pool.hpp"
#include "messages/batch.hpp"
#include "messages/batch_result.hpp"
#include "messages/cancel.hpp"
#include "messages/work_item.hpp"

namespace troupe::actors::batch {

struct BatcherOptions {
  std::uint32_t sequences_max = 0;    // in one step
  std::uint32_t step_tokens_max = 0;  // in one step; at least sequences_max
  std::int32_t kv_blocks = 0;
  std::int32_t block_tokens = 0;  // tokens in one KV block
};

struct Sequence {
  messages::WorkItem work;
  std::int32_t known = 0;            // tokens of prompt + produced
  std::int32_t computed = 0;         // of these, how many have keys and values in the cache
  std::vector<std::int32_t> blocks;  // KV blocks in order
  bool at_infer = false;             // infer has the work item
  bool cancelled = false;            // leaves as soon as no step uses it
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

  // The next step, or nothing while one is under way or nobody needs one.
  std::optional<messages::Batch> next_batch();

  // Takes the step's outcome. `result.step` is the step that next_batch returned last.
  void finish(const messages::BatchResult& result);

  // Requests that hold nothing any more since the last call; each gives a credit back.
  std::vector<std::uint64_t> take_released();

  std::size_t running() const { return running_.size(); }

  std::size_t waiting() const { return waiting_.size(); }

  const BlockPool& blocks() const { return blocks_; }

  std::uint64_t preemptions() const { return preemptions_; }

  std::uint64_t steps() const { return steps_; }

 private:
  void admit();
  void plan_slices(messages::Batch& batch);
  bool reserve(Sequence& sequence, std::int32_t tokens);
  void preempt_youngest();
  void retire(Sequence& sequence);
  void sweep_cancelled();
  std::int32_t blocks_for(std::int32_t tokens) const;
  Sequence* find_running(std::uint64_t request_id);

  BatcherOptions options_;
  BlockPool blocks_;
  std::deque<Sequence> waiting_;                 // hold no blocks; the first is next
  std::vector<Sequence> running_;                // hold blocks, oldest first
  std::vector<std::uint64_t> left_;              // to be told to infer with the next batch
  std::vector<std::uint64_t> released_;          // to be told to dispatch
  std::deque<messages::CancelWork> tombstones_;  // cancels that overtook their work
  std::optional<messages::Batch> in_flight_;
  std::uint64_t steps_ = 0;
  std::uint64_t preemptions_ = 0;
};

}  // namespace troupe::actors::batch

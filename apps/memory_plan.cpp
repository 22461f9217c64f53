#include "apps/memory_plan.hpp"

#include <algorithm>
#include <limits>

#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

// A batch whose sequences have less than this many tokens each would only preempt itself: a short
// question and its answer take that much.
constexpr std::uint64_t kSequenceTokensMin = 128;
// For page tables, sockets, the allocator's slack, and parts of attention that threads share (below
// a hundredth of the keys and values they are made of): a sixteenth is left alone.
constexpr std::uint64_t kHeadroomShare = 16;
// Of a machine that others use too, the cache takes a quarter at most unless it must have more.
constexpr std::uint64_t kKvMachineShare = 4;

std::string mib(std::uint64_t bytes) {
  constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
  return std::to_string((bytes + kMib - 1) / kMib) + " MiB";
}

std::uint64_t blocks_for(std::uint64_t tokens, const MemoryNeeds& needs) {
  const auto block = static_cast<std::uint64_t>(needs.block_tokens);
  return (tokens + block - 1) / block;
}

// The sums that every rule below reads. Room: of one worker, for its cache and logits.
struct Budget {
  const MemoryNeeds& needs;
  std::uint64_t usable;
  std::uint64_t fixed;  // without cache and logits

  explicit Budget(const MemoryNeeds& n)
      : needs(n),
        usable(n.limit - n.limit / kHeadroomShare),
        fixed(n.weights + n.processes + n.scratch * n.workers) {}

  std::uint64_t room() const { return usable > fixed ? (usable - fixed) / needs.workers : 0; }

  std::uint64_t kv_room() const {
    const std::uint64_t logits = needs.sequence_bytes * needs.sequences_max;
    return room() > logits ? room() - logits : 0;
  }

  std::uint64_t kv_blocks_max() const { return kv_room() / needs.block_bytes; }

  std::string left() const {
    return mib(kv_room()) + " are left" +
           (needs.workers > 1 ? " for each of " + std::to_string(needs.workers) + " workers" : "") +
           " of the " + mib(needs.limit) + " of " + needs.limit_source +
           ", a sixteenth of which stays free, after " + mib(needs.weights) + " of weights, " +
           mib(needs.processes) + " of processes and " +
           mib((needs.scratch + needs.sequence_bytes * needs.sequences_max) * needs.workers) +
           " of scratch";
  }
};

std::string more_memory(const MemoryNeeds& needs) {
  return needs.limit_is_ours ? "raise the limit" : "use a machine with more memory";
}

void check_model(const Budget& b) {
  if (b.room() > 0) return;
  throw config::UserError(
      b.needs.model + ": does not fit: " + mib(b.needs.weights) + " of weights, " +
      mib(b.needs.processes) + " of processes and " + mib(b.needs.scratch * b.needs.workers) +
      " of scratch, and " + mib(b.needs.limit) + " is the limit of " + b.needs.limit_source +
      ": raise that to " + mib((b.fixed + b.fixed / (kHeadroomShare - 1)) * 5 / 4) +
      " or more, or take a smaller model");
}

void check_sequences(const Budget& b) {
  const std::uint64_t each =
      b.needs.sequence_bytes + blocks_for(kSequenceTokensMin, b.needs) * b.needs.block_bytes;
  const std::uint64_t fit = b.room() / each;
  if (b.needs.sequences_max <= fit) return;
  const std::string fewer =
      fit > 0 ? "set batch.sequences_max = " + std::to_string(fit) + " or " : "";
  throw config::UserError("batch.sequences_max = " + std::to_string(b.needs.sequences_max) + ": " +
                          std::to_string(b.needs.sequences_max) + " sequences of at least " +
                          std::to_string(kSequenceTokensMin) + " tokens need " +
                          mib(each * b.needs.sequences_max) + " of KV cache and logits, and " +
                          mib(b.room()) + " are left of the " + mib(b.needs.limit) + " of " +
                          b.needs.limit_source + ": " + fewer + more_memory(b.needs));
}

void check_context(const Budget& b, std::uint64_t per_context) {
  if (per_context <= b.kv_blocks_max()) return;
  const std::uint64_t fit = b.kv_blocks_max() * static_cast<std::uint64_t>(b.needs.block_tokens);
  throw config::UserError(std::to_string(b.needs.context) + " tokens of context need " +
                          mib(per_context * b.needs.block_bytes) + " of KV cache, and " + b.left() +
                          ": set --context " + std::to_string(fit) +
                          " or less (model.context), or " + more_memory(b.needs));
}

void check_wanted(const Budget& b, std::uint64_t per_context) {
  const std::string setting = "batch.kv_blocks = " + std::to_string(b.needs.kv_blocks);
  check_fits(b.needs,
             b.needs.kv_blocks,
             setting,
             "set at most " + std::to_string(b.kv_blocks_max()) + ", or 0 for what fits");
  if (b.needs.kv_blocks < per_context) {
    throw config::UserError(setting + " holds no whole context of " +
                            std::to_string(b.needs.context) + " tokens: set at least " +
                            std::to_string(per_context) + ", or lower --context");
  }
}

std::uint64_t kv_blocks_of_use(const Budget& b, std::uint64_t per_context) {
  std::uint64_t most = b.kv_blocks_max();
  if (!b.needs.limit_is_ours) {
    const std::uint64_t share = b.needs.limit / kKvMachineShare / b.needs.workers;
    const std::uint64_t least =
        std::max(per_context, blocks_for(kSequenceTokensMin, b.needs) * b.needs.sequences_max);
    most = std::min(most, std::max(share / b.needs.block_bytes, least));
  }
  most = std::min<std::uint64_t>(most, std::numeric_limits<std::int32_t>::max());
  return std::min(most, per_context * b.needs.sequences_max);
}

}  // namespace

MemoryPlan plan_memory(const MemoryNeeds& needs) {
  const Budget budget(needs);
  const std::uint64_t per_context = blocks_for(needs.context, needs);
  check_model(budget);
  check_sequences(budget);
  check_context(budget, per_context);
  if (needs.kv_blocks != 0) check_wanted(budget, per_context);
  const std::uint64_t blocks =
      needs.kv_blocks != 0 ? needs.kv_blocks : kv_blocks_of_use(budget, per_context);
  return {.kv_blocks = static_cast<std::int32_t>(blocks),
          .weights = needs.weights,
          .processes = needs.processes,
          .kv = blocks * needs.block_bytes * needs.workers,
          .scratch = (needs.scratch + needs.sequence_bytes * needs.sequences_max) * needs.workers,
          .limit = needs.limit,
          .limit_source = needs.limit_source,
          .contexts = blocks / per_context};
}

void check_fits(const MemoryNeeds& needs,
                std::uint64_t blocks,
                const std::string& who,
                const std::string& remedy) {
  const Budget budget(needs);
  if (blocks <= budget.kv_blocks_max()) return;
  throw config::UserError(who + " needs " + mib(blocks * needs.block_bytes) + " of KV cache, and " +
                          budget.left() + ": " + remedy);
}

std::string to_text(const MemoryPlan& plan) {
  return "memory: " + mib(plan.weights) + " of weights (mapped, one copy for all workers) + " +
         mib(plan.kv) + " of KV cache (" + std::to_string(plan.kv_blocks) +
         " blocks a worker, full contexts: " + std::to_string(plan.contexts) + ") + " +
         mib(plan.scratch) + " of scratch + " + mib(plan.processes) +
         " of processes = " + mib(plan.total()) + " of the " + mib(plan.limit) + " of " +
         plan.limit_source;
}

}  // namespace troupe::apps

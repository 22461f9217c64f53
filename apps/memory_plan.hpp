// How the memory that a node may use is shared out, before any of it is taken. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::apps {

// What a node would need, and what it may use. Sizes in bytes.
struct MemoryNeeds {
  std::string model;            // file, for messages
  std::uint64_t limit = 0;      // that all processes of the node may use together
  std::string limit_source;     // "the cgroup …", "this machine's memory"
  bool limit_is_ours = false;   // a cgroup's: nobody else lives off it
  std::uint64_t weights = 0;    // mapped: once, however many workers there are
  std::uint64_t processes = 0;  // code, heaps, tokenizers of all processes
  std::uint64_t scratch = 0;    // of each worker: activations of the largest step, and its threads'
  std::uint64_t sequence_bytes = 0;  // of each worker and sequence: a row of logits
  std::uint64_t block_bytes = 0;     // one KV block over all layers
  std::int32_t block_tokens = 0;
  std::uint32_t context = 0;  // tokens of the longest request
  std::uint32_t sequences_max = 0;
  std::uint32_t kv_blocks = 0;  // asked for; 0: as many as are of use and fit
  std::uint32_t workers = 1;
};

struct MemoryPlan {
  std::int32_t kv_blocks = 0;   // of each worker
  std::uint64_t weights = 0;    // shared by all workers
  std::uint64_t processes = 0;  // of all
  std::uint64_t kv = 0;         // of all workers
  std::uint64_t scratch = 0;    // of all workers, logits included
  std::uint64_t limit = 0;
  std::string limit_source;
  std::uint64_t contexts = 0;  // full contexts that each worker's cache holds

  std::uint64_t total() const { return weights + processes + kv + scratch; }
};

// Throws config::UserError with the numbers and the setting that would make it fit.
MemoryPlan plan_memory(const MemoryNeeds& needs);

// Throws config::UserError unless `blocks` of KV cache fit beside the rest: `who` needs them, and
// `remedy` is what to do.
void check_fits(const MemoryNeeds& needs,
                std::uint64_t blocks,
                const std::string& who,
                const std::string& remedy);

// One line for people.
std::string to_text(const MemoryPlan& plan);

}  // namespace troupe::apps

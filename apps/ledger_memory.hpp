// How large the ledger's memory file (actors/dispatch/ledger_file.hpp) has to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "config/node_config.hpp"

namespace troupe::apps {

// What a node may have open at once.
struct LedgerLoad {
  std::uint64_t queued_max = 0;   // requests that wait
  std::uint64_t running_max = 0;  // sequences of all workers
  std::uint64_t context_max = 0;  // tokens of prompt and answer
};

// Bytes of a file that never refuses what the queue would take: prompts of the whole context in the
// queue, and sequences that have produced as much, in each half, which is full at three quarters.
std::uint64_t ledger_bytes(const LedgerLoad& load);

struct LedgerPlan {
  std::uint64_t bytes = 0;
  std::string
      note;  // for people, when it is more than the default, or less than it takes; or empty
};

// As much as it takes, at least config::kLedgerBytes, at most a quarter of `memory_bytes`.
LedgerPlan plan_ledger(const LedgerLoad& load, std::uint64_t memory_bytes);

// Makes the memory file behind `memory_fd` as large as that. Only a file that no front has used yet
// grows: in a used one the second half would lie elsewhere. False when the system refused.
bool grow_ledger(int memory_fd, std::uint64_t bytes);

// Does both, and tells the note on standard error. Nothing for a descriptor of -1.
void fit_ledger(int memory_fd, const config::NodeConfig& config, std::uint64_t context_max);

}  // namespace troupe::apps

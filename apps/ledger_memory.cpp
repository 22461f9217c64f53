#include "apps/ledger_memory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "apps/machine.hpp"
#include "config/limits.hpp"

namespace troupe::apps {
namespace {

// Of an accepted request beside its prompt: names of fields, stop strings, logit_bias at their
// bounds (config/limits.hpp) are some 8 KB.
constexpr std::uint64_t kRequestBytes = 8192;
constexpr std::uint64_t kPromptTokenBytes = sizeof(std::int32_t);
// A frame for each token: 24 bytes of head, 20 of the event, padding (ledger_file.cpp). With twenty
// alternatives of top_logprobs it is 208, for which few ask, and never all.
constexpr std::uint64_t kProducedTokenBytes = 48;

std::string in_mib(std::uint64_t bytes) { return std::to_string(bytes >> 20U) + " MiB"; }

}  // namespace

std::uint64_t ledger_bytes(const LedgerLoad& load) {
  const std::uint64_t queued =
      load.queued_max * (kRequestBytes + load.context_max * kPromptTokenBytes);
  const std::uint64_t running =
      load.running_max * (kRequestBytes + load.context_max * kProducedTokenBytes);
  return 2 * ((queued + running) / 3 * 4);
}

LedgerPlan plan_ledger(const LedgerLoad& load, std::uint64_t memory_bytes) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t needed = (ledger_bytes(load) + kPage - 1) / kPage * kPage;
  const std::uint64_t most =
      std::max<std::uint64_t>(config::kLedgerBytes, memory_bytes / 4 / kPage * kPage);
  LedgerPlan plan{.bytes = std::clamp<std::uint64_t>(needed, config::kLedgerBytes, most),
                  .note = {}};
  const std::string full = "a full queue of the longest requests";
  if (needed > most) {
    plan.note = "the ledger may take " + in_mib(most) + ", and " + full + " needs " +
                in_mib(needed) +
                ": new requests are refused before that; lower dispatch.queued_max, "
                "batch.sequences_max or --context to have room for all";
  } else if (needed > config::kLedgerBytes) {
    plan.note = "the ledger may take " + in_mib(needed) + " of memory for " + full;
  }
  return plan;
}

bool grow_ledger(int memory_fd, std::uint64_t bytes) {
  struct stat facts {};

  if (fstat(memory_fd, &facts) != 0) return false;
  std::uint64_t first = 0;
  const bool is_used = pread(memory_fd, &first, sizeof first, 0) != sizeof first || first != 0;
  if (is_used || static_cast<std::uint64_t>(facts.st_size) >= bytes) return true;
  return ftruncate(memory_fd, static_cast<off_t>(bytes)) == 0;
}

void fit_ledger(int memory_fd, const config::NodeConfig& config, std::uint64_t context_max) {
  if (memory_fd < 0) return;
  const std::uint64_t workers = config.node.workers + config.node.spare;
  const LedgerPlan plan = plan_ledger({.queued_max = config.dispatch.queued_max,
                                       .running_max = workers * config.batch.sequences_max,
                                       .context_max = context_max},
                                      memory_limit().bytes);
  if (!plan.note.empty()) std::fprintf(stderr, "troupe: %s\n", plan.note.c_str());
  if (grow_ledger(memory_fd, plan.bytes)) return;
  std::fprintf(stderr,
               "troupe: the ledger's memory cannot grow to %s: it stays as it is\n",
               in_mib(plan.bytes).c_str());
}

}  // namespace troupe::apps

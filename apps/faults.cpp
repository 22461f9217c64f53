#include "apps/faults.hpp"

#include <algorithm>
#include <csignal>

namespace troupe::apps {

void WorkerFaults::at_start() const {
  if (config_.crash_at_start != 0) std::raise(SIGABRT);
}

void WorkerFaults::in_step(const messages::Batch& batch) {
  if (config_.poison_token == 0) return;
  const auto poison = static_cast<std::int32_t>(config_.poison_token);
  for (const std::uint64_t id : batch.left) poisoned_.erase(id);
  for (const messages::WorkItem& item : batch.joined) {
    if (std::ranges::find(item.prompt_tokens, poison) != item.prompt_tokens.end()) {
      poisoned_.insert(item.request_id);
    }
  }
  for (const messages::BatchSlice& slice : batch.slices) {
    if (poisoned_.contains(slice.request_id)) std::raise(SIGSEGV);
  }
}

}  // namespace troupe::apps

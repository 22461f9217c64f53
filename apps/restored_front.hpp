// What a new front takes over from the one before, out of the ledger's memory file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "actors/aggregate/aggregator.hpp"
#include "actors/dispatch/dispatch_actor.hpp"
#include "actors/gateway/restored_answer.hpp"
#include "messages/reply_plan.hpp"

namespace troupe::apps {

struct RestoredFront {
  std::shared_ptr<actors::aggregate::Aggregator> aggregator;
  actors::dispatch::DispatchMemory memory;
  std::vector<actors::gateway::RestoredAnswer> answers;
  // Ends that aggregate finds in the journalled tokens, and dispatch has not heard of.
  std::vector<messages::ReplyFinished> finished;
  std::uint64_t lost = 0;  // requests that were open, and whose clients cannot come back
};

// Folds `file` (nullptr: nothing is restored). Aggregate reads every journalled token again, so
// that it stands where it stood; the gateway gets what that emits. Requests whose client cannot
// come back (HTTP without an Idempotency-Key) are dropped; one whose answer throws ends with an
// error. `now` is CLOCK_MONOTONIC.
RestoredFront restore_front(std::shared_ptr<actors::dispatch::LedgerFile> file,
                            std::shared_ptr<const model::Tokenizer> tokenizer,
                            actors::aggregate::Aggregator::Probe probe,
                            std::chrono::milliseconds ended_kept,
                            actors::dispatch::Time now);

// The ledger over the descriptor of root's memory file, mapped for the life of the process. nullptr
// for -1, or when it cannot be mapped: then nothing outlives this front.
std::shared_ptr<actors::dispatch::LedgerFile> open_ledger(int memory_fd);

}  // namespace troupe::apps

// What the dispatcher is told at its start, and what it wants done after an input.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "actors/dispatch/ledger.hpp"
#include "actors/dispatch/suspects.hpp"
#include "actors/dispatch/totals.hpp"
#include "messages/cancel.hpp"
#include "messages/failure.hpp"
#include "messages/reply_plan.hpp"
#include "messages/token_frame.hpp"
#include "messages/tokenized_request.hpp"
#include "messages/work_item.hpp"
#include "messages/worker_link.hpp"

namespace troupe::actors::dispatch {

// 0 is the most urgent.
inline constexpr std::size_t kPriorities = 10;

// A message for one worker.
template <class Message>
using ToWorker = std::pair<std::string, Message>;  // (routing id, message)

// A request of the front before this one, as its ledger has it. With `end_proposed` it has all its
// tokens, and aggregate's word is on its way.
struct RestoredEntry {
  LedgerEntry entry;
  Suspicion suspicion;
};

// An accepted request that ended; with a failure, that is among `failures`.
struct EndedRequest {
  std::uint64_t request_id = 0;
  Ending ending{};
  std::uint64_t call_first = 0;  // its call: requests call_first … call_first + call_size - 1
  std::uint32_t call_size = 1;
};

// What the shell must send after an input, plans before tokens before failures.
struct Effects {
  std::vector<messages::TokenizedRequest> accepted;
  std::vector<std::uint64_t> resumed;  // went back to the front of the queue, attempt raised
  std::vector<std::uint64_t> judged;   // what is held against them has changed
  std::vector<EndedRequest> ended;
  std::vector<messages::ReplyPlan> plans;
  messages::JournaledTokens journaled;
  std::vector<messages::Failure> refusals;  // of requests that were never accepted
  std::vector<messages::Failure> failures;  // the end of accepted ones
  std::vector<ToWorker<messages::WorkerWelcome>> welcomes;
  std::vector<ToWorker<messages::WorkItem>> work;
  std::vector<ToWorker<messages::CancelWork>> cancels;
};

// Deliberate faults. The simulator's own test switches them on, one by one, to see that it finds
// each; nothing else does.
enum class Mutant : std::uint8_t {
  kNone,
  kAttemptNotRaised,
  kCreditFreedOnCancel,
  kDuplicateAccepted,
  kStaleAccepted,
  kGapAccepted,
  kResumeAtTheBack,
  kEndForgottenOnDeath,
  kSuspectsTogether,
  kRequestLostOnDeath,
  kSuspicionForgotten,
  kLossIgnored,
  kCancelIgnored,
  kCancelledResumed,
  kDeadlineIgnored,
  kPriorityIgnored,
  kCallTorn,
  kRestartCountsAgain,
};

struct DispatcherOptions {
  std::uint64_t front_epoch = 0;
  std::uint32_t queued_max = 0;
  std::uint32_t context_max = 0;    // a worker that holds less gets no work
  std::string vocabulary_hash;      // nor does one with another vocabulary
  std::uint32_t local_workers = 0;  // that root starts, and tells when it gives one up
  std::uint32_t spare_workers = 0;  // how many of them only wait for the death of another
  Time begun{};                     // when this front began
  bool workers_known = false;  // the front before had workers: they will be heard of in a moment
  Mutant mutant = Mutant::kNone;
  // Called before each token is judged, for faults on purpose: it may throw. May be empty.
  std::function<void(const messages::TokenEvent&)> probe;
};

}  // namespace troupe::actors::dispatch

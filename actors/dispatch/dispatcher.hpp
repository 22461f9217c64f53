// Everything dispatch knows: the ledger, the queue, the workers. Pure: time comes in, effects go
// out.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "actors/dispatch/call_admission.hpp"
#include "actors/dispatch/ledger.hpp"
#include "actors/dispatch/worker_pool.hpp"
#include "config/limits.hpp"
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

// What the shell must send after an input, plans before tokens before failures.
struct Effects {
  std::vector<messages::ReplyPlan> plans;
  messages::JournaledTokens journaled;
  std::vector<messages::Failure> refusals;  // of requests that were never accepted
  std::vector<messages::Failure> failures;  // the end of accepted ones
  std::vector<ToWorker<messages::WorkerWelcome>> welcomes;
  std::vector<ToWorker<messages::WorkItem>> work;
  std::vector<ToWorker<messages::CancelWork>> cancels;
};

// Totals since start, from one state: accepted = finished + queued + running at every moment.
struct Totals {
  std::uint64_t accepted = 0;
  std::uint64_t finished = 0;
  std::uint64_t refused = 0;
  std::uint64_t stale = 0;             // tokens of attempts or incarnations that are over
  std::uint64_t generated_tokens = 0;  // journalled
};

struct DispatcherOptions {
  std::uint64_t front_epoch = 0;
  std::uint32_t queued_max = 0;
  std::uint32_t context_max = 0;  // a worker that holds less gets no work
  std::string vocabulary_hash;    // nor does one with another vocabulary
};

class Dispatcher {
 public:
  explicit Dispatcher(DispatcherOptions options) : options_(std::move(options)) {}

  Effects on_request(messages::TokenizedRequest request, Time now);
  Effects on_failure(messages::Failure failure);  // of a stage before acceptance
  Effects on_cancel(std::uint64_t request_id, Time now);
  Effects on_tokens(const std::string& peer, const messages::TokenFrame& frame, Time now);
  Effects on_finished(const messages::ReplyFinished& finished, Time now);

  Effects on_hello(const std::string& peer, const messages::WorkerHello& hello, Time now);
  Effects on_beat(const std::string& peer, const messages::WorkerBeat& beat, Time now);
  Effects on_released(const std::string& peer, const messages::Released& released, Time now);
  Effects on_worker_down(const std::string& name,
                         std::uint64_t generation,
                         const std::string& reason,
                         Time now);

  // To be called every beat: deadlines, and a queue that no worker has served for too long.
  Effects on_tick(Time now);

  // True when a worker takes work, or one did so recently enough to be worth waiting for.
  bool ready(Time now) const;

  // Of the worker that would take the next request; empty when there is none.
  std::string numerics_id() const;

  const Totals& totals() const { return totals_; }

  std::size_t queued() const { return ledger_.size() - ledger_.running(); }

  // The queued ones by their priority, 0 … 9.
  std::array<std::uint64_t, kPriorities> queued_by_priority() const;

  std::size_t running() const { return ledger_.running(); }

  // nullptr when the request is not (any more) in the ledger.
  const LedgerEntry* ledger_entry(std::uint64_t request_id) { return ledger_.find(request_id); }

  const WorkerPool& workers() const { return workers_; }

 private:
  void hand_out(Effects& effects, Time now);
  std::deque<std::uint64_t>::iterator most_urgent(Time now);
  void fail(std::uint64_t request_id,
            messages::FailureCode code,
            std::string why,
            Effects& effects);
  void fail_all(const std::vector<std::uint64_t>& ids, const std::string& why, Effects& effects);
  void forget(std::uint64_t request_id, Effects& effects);
  void note_finish(Time now);
  void bury(std::uint64_t request_id);
  std::string objection_to(const messages::WorkerHello& hello) const;
  std::string why_full(std::uint32_t call_size) const;
  std::uint32_t retry_after_ms() const;

  DispatcherOptions options_;
  Ledger ledger_;
  CallAdmission calls_;
  WorkerPool workers_;
  std::deque<std::uint64_t> queue_;       // request ids in order of arrival
  std::deque<std::uint64_t> tombstones_;  // cancels that overtook their request
  Totals totals_;
  Time worker_seen_{-kWorkerAbsence};  // when a worker was last there
  Time last_finish_{};
  Time finish_interval_{1'000'000};  // moving average between two finishes: the measured drain rate

  // Restarting a worker takes well under a second; after this absence waiting is worse than an
  // error.
  static constexpr Time kWorkerAbsence{5'000'000};
  // Fifteen beats missed: it is dead or hung. A busy machine delays a beat by a few hundred
  // milliseconds at most; a child's death is told by root within milliseconds anyway.
  static constexpr Time kWorkerSilence = 15 * config::kBeatInterval;
  // A cancel overtakes its request while preprocess is at it: one for each that may be there, by
  // far.
  static constexpr std::size_t kTombstonesMax = 4096;
  // No request is worth a longer wait; and a sum with it never overflows.
  static constexpr std::uint64_t kDeadlineMsMax = 24 * 3600 * 1000;
  // A queued request rises by one priority level each time this passes, so that none starves.
  static constexpr Time kAgeingInterval{2'000'000};
};

}  // namespace troupe::actors::dispatch

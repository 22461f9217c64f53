// Everything dispatch knows: the ledger, the queue, the workers. Pure: time comes in, effects go
// out.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/dispatch/call_admission.hpp"
#include "actors/dispatch/dispatch_effects.hpp"
#include "actors/dispatch/handover.hpp"
#include "actors/dispatch/ledger.hpp"
#include "actors/dispatch/suspects.hpp"
#include "actors/dispatch/totals.hpp"
#include "actors/dispatch/worker_pool.hpp"
#include "config/limits.hpp"
#include "messages/cancel.hpp"
#include "messages/control.hpp"
#include "messages/failure.hpp"
#include "messages/reply_plan.hpp"
#include "messages/token_frame.hpp"
#include "messages/tokenized_request.hpp"
#include "messages/work_item.hpp"
#include "messages/worker_link.hpp"

namespace troupe::actors::dispatch {

// What aggregate has to know of a request.
messages::ReplyPlan plan_of(const messages::TokenizedRequest& request);

class Dispatcher {
 public:
  explicit Dispatcher(DispatcherOptions options)
      : options_(std::move(options)),
        worker_seen_(options_.workers_known ? options_.begun : options_.begun - kWorkerAbsence) {}

  // Takes the place of another dispatcher of this front, before anything else. What it had accepted
  // is to be restored then.
  void take_over(Handover handover);
  // For the one that takes this one's place.
  Handover hand_over() const;
  // What a message about this request is about to change that no ledger holds.
  InHand before(const messages::TokenizedRequest& request) const;
  InHand before(const messages::Failure& failure) const;

  Effects on_request(messages::TokenizedRequest request, Time now);
  Effects on_failure(messages::Failure failure);  // of a stage before acceptance
  Effects on_cancel(std::uint64_t request_id, Time now);
  // An exception over one token ends its request alone.
  Effects on_tokens(const std::string& peer, const messages::TokenFrame& frame, Time now);
  Effects on_finished(const messages::ReplyFinished& finished, Time now);

  Effects on_hello(const std::string& peer, const messages::WorkerHello& hello, Time now);
  Effects on_beat(const std::string& peer, const messages::WorkerBeat& beat, Time now);
  Effects on_released(const std::string& peer, const messages::Released& released, Time now);
  Effects on_worker_down(const messages::SiblingDown& down, Time now);

  // A message for this worker, or one of it, was lost on the link.
  Effects on_unreachable(const std::string& peer, Time now);

  // Ends these, as far as they are open, with an error of ours.
  Effects break_off(const std::vector<std::uint64_t>& ids, const std::string& why, Time now);

  // To be called every beat: deadlines, and a queue that no worker has served for too long.
  Effects on_tick(Time now);

  // While the ledger's memory is nearly full, nothing more is accepted.
  void hold_back(bool ledger_full) { ledger_full_ = ledger_full; }

  // To be called before any event.
  void restore(RestoredEntry restored);

  // True when a worker takes work, or one did so recently enough to be worth waiting for.
  bool ready(Time now) const;

  // Why no worker is there, for people: its last death. Empty when one is or nothing is known.
  std::string why_not_ready() const;

  // Of the worker that would take the next request; empty when there is none.
  std::string numerics_id() const;

  Snapshot snapshot() const { return {totals_, queued(), running()}; }

  const Totals& totals() const { return totals_; }

  std::size_t queued() const { return ledger_.size() - ledger_.running(); }

  // The queued ones by their priority, 0 … 9.
  std::array<std::uint64_t, kPriorities> queued_by_priority() const;

  std::size_t running() const { return ledger_.running(); }

  // nullptr when the request is not (any more) in the ledger.
  const LedgerEntry* ledger_entry(std::uint64_t request_id) const {
    return ledger_.find(request_id);
  }

  // It may have killed a worker, and has not passed alone.
  bool is_suspect(std::uint64_t request_id) const { return suspects_.is_suspect(request_id); }

  Suspicion suspicion(std::uint64_t request_id) const { return suspects_.suspicion(request_id); }

  const WorkerPool& workers() const { return workers_; }

 private:
  using Queue = std::deque<std::uint64_t>;

  void hand_out(Effects& effects, Time now);
  void try_suspect(Effects& effects, Time now);
  const Worker* choose_ward();
  Queue::iterator most_urgent(const std::string& peer, Time now);
  void give(const std::string& peer, Queue::iterator next, Effects& effects, Time now);
  void take_alone(const messages::TokenEvent& event, Effects& effects, Time now);
  void take(messages::TokenEvent event, Effects& effects, Time now);
  void mutate(messages::TokenEvent& event) const;
  void journal(const messages::TokenEvent& event, Effects& effects);
  void resume_orphans(std::vector<std::uint64_t> ids, const std::string& peer, Effects& effects);
  void resume(std::vector<std::uint64_t> ids, Effects& effects);
  void recall(std::uint64_t request_id, Effects& effects);
  std::vector<std::uint64_t> unread(const std::string& peer,
                                    const messages::WorkerHello& hello) const;
  // `death`: its number, or that of a beginning that comes to the same.
  void blame(const std::vector<std::uint64_t>& in_step,
             const std::string& reason,
             std::uint64_t death,
             Effects& effects);
  void fail(std::uint64_t request_id,
            messages::FailureCode code,
            std::string why,
            Effects& effects);
  void forget(std::uint64_t request_id, Ending ending, Effects& effects);
  void stop_work(std::uint64_t request_id, const LedgerEntry& entry, Effects& effects) const;
  void give_up_silent(Effects& effects, Time now);
  void end_what_nobody_serves(Effects& effects, Time now);
  bool hopeless(Time now) const;
  void note_finish(Time now);
  void bury(std::uint64_t request_id);
  messages::WorkerWelcome welcome_of(const Worker& worker) const;
  std::string objection_to(const messages::WorkerHello& hello) const;
  std::string why_full(std::uint32_t call_size) const;
  std::uint32_t retry_after_ms() const;

  bool mutated(Mutant mutant) const { return options_.mutant == mutant; }

  DispatcherOptions options_;
  Ledger ledger_;
  CallAdmission calls_;
  WorkerPool workers_;
  Suspects suspects_;
  std::string ward_;                  // the worker on which suspects run alone, while there are any
  std::uint64_t trial_ = 0;           // the request that ran there last
  std::set<std::string> given_up_;    // silent peers, which may not know that they were
  std::map<std::string, Down> down_;  // workers of root's that died and have not come back
  bool ledger_full_ = false;
  Queue queue_;  // request ids: resumed ones first, then in order of arrival
  std::deque<std::uint64_t> tombstones_;  // cancels that overtook their request
  Totals totals_;
  Time worker_seen_;  // when a worker was last there
  Time last_finish_{};
  Time last_work_death_{};
  Time finish_interval_{1'000'000};  // moving average between two finishes: the measured drain rate

  // Restarting a worker takes well under a second; after this absence a new client is better served
  // elsewhere.
  static constexpr Time kWorkerAbsence{5'000'000};
  // What was accepted waits longer: root's back-off reaches ten seconds, and a large model takes
  // some to load. After this nobody is coming.
  static constexpr Time kWorkerReturnMax{120'000'000};
  // Without a death by work for so long, the engine gets full batches again.
  static constexpr Time kLimitTime{60'000'000};
  // Fifteen beats missed: it is dead or hung. A busy machine delays a beat by a few hundred
  // milliseconds at most; a child's death is told by root within milliseconds anyway.
  static constexpr Time kWorkerSilence = 15 * config::kBeatInterval;
  // An unreachable worker may be a dead one. Root tells so within milliseconds, and whom to blame:
  // nobody else gets its requests before.
  static constexpr Time kDeathNews = config::kBeatInterval;
  // Workers fall silent one by one; a forgotten one costs a worker a few places for a while.
  static constexpr std::size_t kGivenUpMax = 256;
  // A cancel overtakes its request while preprocess is at it: one for each that may be there, by
  // far.
  static constexpr std::size_t kTombstonesMax = 4096;
  // No request is worth a longer wait; and a sum with it never overflows.
  static constexpr std::uint64_t kDeadlineMsMax = 24 * 3600 * 1000;
  // A queued request rises by one priority level each time this passes, so that none starves.
  static constexpr Time kAgeingInterval{2'000'000};
};

}  // namespace troupe::actors::dispatch

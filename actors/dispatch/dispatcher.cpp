#include "actors/dispatch/dispatcher.hpp"

#include <algorithm>
#include <functional>

#include "config/limits.hpp"

namespace troupe::actors::dispatch {
namespace {

using messages::Failure;
using messages::FailureCode;
using std::chrono::milliseconds;

}  // namespace

messages::ReplyPlan plan_of(const messages::TokenizedRequest& request) {
  return {.request_id = request.request_id,
          .prompt_tokens = request.prompt_tokens,
          .stop = request.sampling.stop,
          .echo = request.echo,
          .logprobs = request.sampling.top_logprobs >= 0};
}

Effects Dispatcher::on_request(messages::TokenizedRequest request, Time now) {
  Effects effects;
  const std::uint64_t id = request.request_id;
  const std::size_t room =
      ledger_full_ ? 0 : options_.queued_max - std::min(queue_.size(), options_.queued_max + 0UL);
  const std::uint32_t call_size = mutated(Mutant::kCallTorn) ? 1 : request.call_size;
  if (!calls_.admit(id, request.call_first, call_size, room)) {
    ++totals_.refused;
    std::erase(tombstones_, id);
    effects.refusals.push_back({.request_id = id,
                                .code = FailureCode::kOverload,
                                .message = why_full(request.call_size),
                                .retry_after_ms = retry_after_ms()});
    return effects;
  }
  ++totals_.accepted;
  request.deadline_ms = std::min(request.deadline_ms, kDeadlineMsMax);
  effects.accepted.push_back(request);
  const LedgerEntry& entry = ledger_.accept(std::move(request), now);
  effects.plans.push_back(plan_of(entry.request));
  queue_.push_back(id);
  if (std::erase(tombstones_, id) != 0) {
    fail(id, FailureCode::kCancelled, "the request was cancelled", effects);
  }
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_failure(Failure failure) {
  Effects effects;
  ++totals_.refused;
  calls_.skip(failure.request_id);
  std::erase(tombstones_, failure.request_id);
  effects.refusals.push_back(std::move(failure));
  return effects;
}

Effects Dispatcher::on_cancel(std::uint64_t request_id, Time now) {
  Effects effects;
  if (ledger_.find(request_id) == nullptr) bury(request_id);
  if (mutated(Mutant::kCancelIgnored)) return effects;
  fail(request_id, FailureCode::kCancelled, "the request was cancelled", effects);
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_tokens(const std::string& peer,
                              const messages::TokenFrame& frame,
                              Time now) {
  Effects effects;
  const Worker* worker = workers_.find(peer);
  const bool current = worker != nullptr && frame.front_epoch == options_.front_epoch &&
                       worker->hello.generation == frame.worker_generation;
  if (!current && !mutated(Mutant::kStaleAccepted)) {
    totals_.stale += frame.events.size();
    return effects;
  }
  for (const messages::TokenEvent& event : frame.events) {
    const LedgerEntry* entry = ledger_.find(event.request_id);
    const bool holder = entry != nullptr && entry->worker == peer;
    if (holder || (entry != nullptr && mutated(Mutant::kStaleAccepted))) {
      take_alone(event, effects, now);
    } else {
      ++totals_.stale;
    }
  }
  hand_out(effects, now);
  return effects;
}

// Judges one event of the worker that holds the request.
void Dispatcher::take(messages::TokenEvent event, Effects& effects, Time now) {
  if (options_.mutant != Mutant::kNone) mutate(event);
  switch (ledger_.append(event, now)) {
    case Append::kConflict:
      ++totals_.conflicting;
      [[fallthrough]];
    case Append::kStale:
    case Append::kRepeated:
      ++totals_.stale;
      return;
    case Append::kGap:
      return recall(event.request_id, effects);  // the attempt has failed, the request has not
    case Append::kJournalled:
      return journal(event, effects);
  }
}

void Dispatcher::mutate(messages::TokenEvent& event) const {
  const LedgerEntry& entry = *ledger_.find(event.request_id);
  const auto next = static_cast<std::uint32_t>(entry.produced.size());
  if (mutated(Mutant::kStaleAccepted)) event.attempt = entry.attempt;
  const bool lower = mutated(Mutant::kDuplicateAccepted) && event.position < next;
  const bool higher = mutated(Mutant::kGapAccepted) && event.position > next;
  if (lower || higher) event.position = next;
}

void Dispatcher::journal(const messages::TokenEvent& event, Effects& effects) {
  if (event.finish == messages::FinishReason::kError) {
    return fail(event.request_id, FailureCode::kInternal, event.error, effects);
  }
  ++totals_.generated_tokens;
  LedgerEntry& entry = *ledger_.find(event.request_id);
  effects.journaled.events.push_back(event);
  effects.journaled.events.back().resumed_inexact = entry.resumed_inexact;
  if (!suspects_.is_suspect(event.request_id)) return;
  suspects_.acquit(event.request_id, entry.produced.size());
  effects.judged.push_back(event.request_id);
  if (suspects_.any() && !entry.end_proposed) recall(event.request_id, effects);
}

Effects Dispatcher::on_finished(const messages::ReplyFinished& finished, Time now) {
  Effects effects;
  if (ledger_.find(finished.request_id) == nullptr) return effects;
  note_finish(now);
  if (finished.reason == messages::FinishReason::kError) {
    // Aggregate gave it up, and may have heard of it anew since: it hears of the end last.
    fail(finished.request_id, FailureCode::kInternal, "the server broke this answer off", effects);
    hand_out(effects, now);
    return effects;
  }
  forget(finished.request_id, ending_of(finished.reason), effects);
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_hello(const std::string& peer,
                             const messages::WorkerHello& hello,
                             Time now) {
  Effects effects;
  if (std::string objection = objection_to(hello); !objection.empty()) {
    effects.welcomes.push_back(
        {peer, {.front_epoch = options_.front_epoch, .refused = std::move(objection)}});
    return effects;
  }
  if (given_up_.erase(peer) != 0 && workers_.find(peer) == nullptr) {
    // It may still hold what has been given to others: it starts over, and then says hello.
    effects.welcomes.push_back(
        {peer, {.front_epoch = options_.front_epoch, .refused = {}, .introduce = true}});
    return effects;
  }
  down_.erase(hello.worker);
  const std::vector<std::uint64_t> suspected = unread(peer, hello);
  resume_orphans(workers_.admit(peer, hello, now), peer, effects);
  if (!suspected.empty()) {
    last_work_death_ = now;
    const std::uint64_t death = std::hash<std::string>{}(peer) + hello.beginning;
    blame(suspected, "it could not read its work: " + hello.unreadable, death, effects);
  }
  worker_seen_ = now;
  effects.welcomes.push_back({peer, welcome_of(*workers_.find(peer))});
  hand_out(effects, now);
  return effects;
}

messages::WorkerWelcome Dispatcher::welcome_of(const Worker& worker) const {
  return {.front_epoch = options_.front_epoch,
          .refused = {},
          .admission = worker.admission,
          .beginning = worker.hello.beginning};
}

Effects Dispatcher::on_beat(const std::string& peer, const messages::WorkerBeat& beat, Time now) {
  Effects effects;
  Worker* worker = workers_.find(peer);
  if (worker != nullptr && worker->hello.generation == beat.worker_generation) {
    if (!worker->unreachable) worker->heard = now;
    effects.welcomes.push_back({peer, welcome_of(*worker)});
    return effects;
  }
  // A stranger: this front is new, or has given the worker up.
  effects.welcomes.push_back(
      {peer, {.front_epoch = options_.front_epoch, .refused = {}, .introduce = true}});
  return effects;
}

Effects Dispatcher::on_released(const std::string& peer,
                                const messages::Released& released,
                                Time now) {
  Effects effects;
  Worker* worker = workers_.find(peer);
  if (worker == nullptr || released.front_epoch != options_.front_epoch ||
      worker->hello.generation != released.worker_generation) {
    return effects;
  }
  for (const auto& [id, attempt] : released.works) {
    const auto held = worker->holds.find(id);
    // Else it let go of an earlier attempt before it heard that it had been given up.
    if (held == worker->holds.end() || held->second != attempt) continue;
    worker->holds.erase(held);
    const LedgerEntry* entry = ledger_.find(id);
    // The worker believes that it has ended, the journal does not: a frame was lost on its way.
    if (entry != nullptr && entry->worker == peer && !entry->end_proposed) resume({id}, effects);
  }
  hand_out(effects, now);
  return effects;
}

// It may wait for work that never comes, or go on with what was cancelled, and what it released may
// count as held. So it is given up as if it had fallen silent, and then starts over.
Effects Dispatcher::on_unreachable(const std::string& peer, Time now) {
  Worker* worker = workers_.find(peer);
  if (worker == nullptr || worker->unreachable || mutated(Mutant::kLossIgnored)) return {};
  worker->unreachable = true;
  worker->heard = now - kWorkerSilence + kDeathNews;
  return {};
}

Effects Dispatcher::on_worker_down(const messages::SiblingDown& down, Time now) {
  Effects effects;
  resume_orphans(workers_.remove(down.child, down.generation), {}, effects);
  if (down.by_work) {
    last_work_death_ = now;
    const std::uint64_t death = std::hash<std::string>{}(down.child) + down.generation;
    blame(down.in_step, down.reason, death, effects);
  }
  const bool back = std::ranges::any_of(workers_.workers(), [&](const auto& worker) {
    return worker.second.hello.worker == down.child;
  });
  if (!back) down_[down.child] = {.reason = down.reason, .gone = down.gone};
  end_what_nobody_serves(effects, now);
  hand_out(effects, now);
  return effects;
}

// Requests that have moved on since the death are not blamed for it.
void Dispatcher::blame(const std::vector<std::uint64_t>& in_step,
                       const std::string& reason,
                       std::uint64_t death,
                       Effects& effects) {
  std::vector<InStep> known;
  for (const std::uint64_t id : in_step) {
    const LedgerEntry* entry = ledger_.find(id);
    if (entry == nullptr || entry->running()) continue;
    known.push_back({id, entry->produced.size()});
    effects.judged.push_back(id);
  }
  for (const std::uint64_t id : suspects_.on_death(known, in_step.size(), death)) {
    fail(id,
         FailureCode::kQuarantined,
         "this request was alone on a worker twice when it died (" + reason +
             "): do not send it again",
         effects);
  }
}

Effects Dispatcher::break_off(const std::vector<std::uint64_t>& ids,
                              const std::string& why,
                              Time now) {
  Effects effects;
  for (const std::uint64_t id : ids) fail(id, FailureCode::kInternal, why, effects);
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_tick(Time now) {
  Effects effects;
  give_up_silent(effects, now);
  if (!workers_.empty()) worker_seen_ = now;
  if (now - last_work_death_ > kLimitTime) suspects_.lift_limit();
  std::vector<std::uint64_t> late;
  for (const auto& [id, entry] : ledger_.entries()) {
    if (entry.end_proposed) continue;  // its answer is whole
    const Time age = now - entry.accepted;
    if (entry.request.deadline_ms != 0 && age >= milliseconds(entry.request.deadline_ms)) {
      late.push_back(id);
    }
  }
  if (mutated(Mutant::kDeadlineIgnored)) late.clear();
  for (const std::uint64_t id : late) {
    fail(id,
         FailureCode::kDeadline,
         "the request's deadline passed before its answer was whole",
         effects);
  }
  end_what_nobody_serves(effects, now);
  hand_out(effects, now);
  return effects;
}

void Dispatcher::give_up_silent(Effects& effects, Time now) {
  const Time since = now - kWorkerSilence;
  for (const auto& [peer, worker] : workers_.workers()) {
    if (worker.heard < since) given_up_.insert(peer);
  }
  if (given_up_.size() > kGivenUpMax) given_up_.erase(given_up_.begin());
  resume_orphans(workers_.remove_silent(since), {}, effects);
}

void Dispatcher::end_what_nobody_serves(Effects& effects, Time now) {
  if (!hopeless(now)) return;
  const std::string why = why_not_ready();
  for (const std::uint64_t id : Queue(queue_)) {
    fail(id,
         FailureCode::kUnavailable,
         why.empty() ? "no worker is there to take the request: retry later" : why,
         effects);
  }
}

void Dispatcher::restore(RestoredEntry restored) {
  LedgerEntry& entry = restored.entry;
  const std::uint64_t id = entry.request.request_id;
  ++totals_.accepted;
  ++totals_.resumed;
  const bool has_work = !entry.end_proposed;
  if (!has_work) entry.worker = "(the front before)";
  ledger_.restore(std::move(entry));
  if (!has_work) return;
  queue_.push_back(id);
  const bool clean = restored.suspicion == Suspicion{};
  if (!clean && !mutated(Mutant::kSuspicionForgotten)) suspects_.restore(id, restored.suspicion);
}

bool Dispatcher::ready(Time now) const {
  return !workers_.empty() || (now - worker_seen_ < kWorkerAbsence && !hopeless(now));
}

// No worker is there and none will come.
bool Dispatcher::hopeless(Time now) const {
  if (!workers_.empty()) return false;
  const auto gone =
      std::ranges::count_if(down_, [](const auto& worker) { return worker.second.gone; });
  const bool given_up = options_.local_workers != 0 && gone >= options_.local_workers;
  return given_up || now - worker_seen_ > kWorkerReturnMax;
}

std::string Dispatcher::why_not_ready() const {
  if (!workers_.empty() || down_.empty()) return {};
  const auto& [worker, down] = *down_.begin();
  const std::string what = down.gone ? " is not started again (" : " died and is started again (";
  return worker + what + down.reason + "): see restart.log";
}

std::string Dispatcher::numerics_id() const {
  return workers_.empty() ? std::string{} : workers_.workers().begin()->second.hello.numerics_id;
}

void Dispatcher::fail(std::uint64_t request_id,
                      FailureCode code,
                      std::string why,
                      Effects& effects) {
  if (ledger_.find(request_id) == nullptr) return;
  effects.failures.push_back({.request_id = request_id, .code = code, .message = std::move(why)});
  if (code == FailureCode::kCancelled && mutated(Mutant::kCancelledResumed)) {
    return recall(request_id, effects);
  }
  forget(request_id, ending_of(code), effects);
}

// The request has ended: its worker, if it is still at it, is told to stop. Its credit returns with
// `Released`.
void Dispatcher::forget(std::uint64_t request_id, Ending ending, Effects& effects) {
  const LedgerEntry& entry = *ledger_.find(request_id);
  if (mutated(Mutant::kCreditFreedOnCancel) && workers_.find(entry.worker) != nullptr) {
    workers_.find(entry.worker)->holds.erase(request_id);
  }
  entry.running() ? stop_work(request_id, entry, effects)
                  : static_cast<void>(std::erase(queue_, request_id));
  ++totals_.finished[ending];
  effects.ended.push_back({request_id, ending, entry.request.call_first, entry.request.call_size});
  std::erase(effects.resumed, request_id);
  suspects_.forget(request_id);
  ledger_.erase(request_id);
}

void Dispatcher::bury(std::uint64_t request_id) {
  tombstones_.push_back(request_id);
  if (tombstones_.size() > kTombstonesMax) tombstones_.pop_front();
}

}  // namespace troupe::actors::dispatch

#include "actors/dispatch/dispatcher.hpp"

#include <algorithm>

#include "config/limits.hpp"

namespace troupe::actors::dispatch {
namespace {

using messages::Failure;
using messages::FailureCode;
using std::chrono::milliseconds;

}  // namespace

Effects Dispatcher::on_request(messages::TokenizedRequest request, Time now) {
  Effects effects;
  const std::uint64_t id = request.request_id;
  const std::size_t room =
      options_.queued_max - std::min<std::size_t>(queue_.size(), options_.queued_max);
  if (!calls_.admit(id, request.call_first, request.call_size, room)) {
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
  const LedgerEntry& entry = ledger_.accept(std::move(request), now);
  effects.plans.push_back({.request_id = id,
                           .prompt_tokens = entry.request.prompt_tokens,
                           .stop = entry.request.sampling.stop,
                           .echo = entry.request.echo,
                           .logprobs = entry.request.sampling.top_logprobs >= 0});
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
  fail(request_id, FailureCode::kCancelled, "the request was cancelled", effects);
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_tokens(const std::string& peer,
                              const messages::TokenFrame& frame,
                              Time now) {
  Effects effects;
  const Worker* worker = workers_.find(peer);
  if (worker == nullptr || frame.front_epoch != options_.front_epoch ||
      worker->hello.generation != frame.worker_generation) {
    totals_.stale += frame.events.size();
    return effects;
  }
  for (const messages::TokenEvent& event : frame.events) {
    const LedgerEntry* entry = ledger_.find(event.request_id);
    const bool holder = entry != nullptr && entry->worker == peer;
    switch (holder ? ledger_.append(event, now) : Append::kStale) {
      case Append::kStale:
      case Append::kRepeated:
        ++totals_.stale;
        break;
      case Append::kGap:
        fail(event.request_id,
             FailureCode::kInternal,
             "a token of the answer was lost on its way",
             effects);
        break;
      case Append::kJournalled:
        if (event.finish == messages::FinishReason::kError) {
          fail(event.request_id, FailureCode::kInternal, event.error, effects);
          break;
        }
        ++totals_.generated_tokens;
        effects.journaled.events.push_back(event);
    }
  }
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_finished(const messages::ReplyFinished& finished, Time now) {
  Effects effects;
  if (ledger_.find(finished.request_id) == nullptr) return effects;
  note_finish(now);
  forget(finished.request_id, effects);
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
  fail_all(workers_.admit(peer, hello, now), "the worker restarted", effects);
  worker_seen_ = now;
  effects.welcomes.push_back({peer, {.front_epoch = options_.front_epoch, .refused = {}}});
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_beat(const std::string& peer, const messages::WorkerBeat& beat, Time now) {
  Effects effects;
  Worker* worker = workers_.find(peer);
  if (worker != nullptr && worker->hello.generation == beat.worker_generation) {
    worker->heard = now;
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
  for (const std::uint64_t id : released.request_ids) worker->holds.erase(id);
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_worker_down(const std::string& name,
                                   std::uint64_t generation,
                                   const std::string& reason,
                                   Time now) {
  Effects effects;
  fail_all(workers_.remove(name, generation), reason, effects);
  hand_out(effects, now);
  return effects;
}

Effects Dispatcher::on_tick(Time now) {
  Effects effects;
  fail_all(workers_.remove_silent(now - kWorkerSilence), "it stopped answering", effects);
  if (!workers_.empty()) worker_seen_ = now;
  std::vector<std::uint64_t> late;
  std::vector<std::uint64_t> unserved;
  for (const auto& [id, entry] : ledger_.entries()) {
    const Time age = now - entry.accepted;
    if (entry.request.deadline_ms != 0 && age >= milliseconds(entry.request.deadline_ms)) {
      late.push_back(id);
    } else if (!entry.running() && !ready(now)) {
      unserved.push_back(id);
    }
  }
  for (const std::uint64_t id : late) {
    fail(id,
         FailureCode::kDeadline,
         "the request's deadline passed before its answer was whole",
         effects);
  }
  for (const std::uint64_t id : unserved) {
    fail(id,
         FailureCode::kUnavailable,
         "no worker is there to take the request: retry later",
         effects);
  }
  hand_out(effects, now);
  return effects;
}

bool Dispatcher::ready(Time now) const {
  return !workers_.empty() || now - worker_seen_ < kWorkerAbsence;
}

std::string Dispatcher::numerics_id() const {
  return workers_.empty() ? std::string{} : workers_.workers().begin()->second.hello.numerics_id;
}

// Hands queued requests to workers for as long as both last.
void Dispatcher::hand_out(Effects& effects, Time now) {
  while (!queue_.empty()) {
    const std::string peer = workers_.freest();
    if (peer.empty()) return;
    const auto next = most_urgent(now);
    const std::uint64_t id = *next;
    queue_.erase(next);
    LedgerEntry& entry = *ledger_.find(id);
    ++entry.attempt;
    entry.worker = peer;
    entry.started = now;
    workers_.find(peer)->holds.insert(id);
    effects.work.push_back({peer,
                            {.front_epoch = options_.front_epoch,
                             .request_id = id,
                             .attempt = entry.attempt,
                             .prompt_tokens = entry.request.prompt_tokens,
                             .produced_tokens = entry.produced,
                             .sampling = entry.request.sampling,
                             .cache_salt = entry.request.cache_salt}});
  }
}

std::deque<std::uint64_t>::iterator Dispatcher::most_urgent(Time now) {
  // Lower is more urgent; equal ones in order of arrival, because min_element keeps the first.
  return std::ranges::min_element(queue_, {}, [&](std::uint64_t id) {
    const LedgerEntry& entry = *ledger_.find(id);
    return static_cast<std::int64_t>(entry.request.priority) -
           (now - entry.accepted) / kAgeingInterval;
  });
}

void Dispatcher::fail(std::uint64_t request_id,
                      FailureCode code,
                      std::string why,
                      Effects& effects) {
  if (ledger_.find(request_id) == nullptr) return;
  effects.failures.push_back({.request_id = request_id, .code = code, .message = std::move(why)});
  forget(request_id, effects);
}

void Dispatcher::fail_all(const std::vector<std::uint64_t>& ids,
                          const std::string& why,
                          Effects& effects) {
  for (const std::uint64_t id : ids) {
    fail(id,
         FailureCode::kWorkerLost,
         "the worker that computed this answer is gone (" + why + "): send it again",
         effects);
  }
}

// The request has ended: its worker, if it is still at it, is told to stop. Its credit returns with
// `Released`.
void Dispatcher::forget(std::uint64_t request_id, Effects& effects) {
  const LedgerEntry& entry = *ledger_.find(request_id);
  if (!entry.running()) {
    std::erase(queue_, request_id);
  } else if (!entry.end_proposed && workers_.find(entry.worker) != nullptr) {
    effects.cancels.push_back({entry.worker,
                               {.front_epoch = options_.front_epoch,
                                .request_id = request_id,
                                .attempt = entry.attempt}});
  }
  ++totals_.finished;
  ledger_.erase(request_id);
}

void Dispatcher::bury(std::uint64_t request_id) {
  tombstones_.push_back(request_id);
  if (tombstones_.size() > kTombstonesMax) tombstones_.pop_front();
}

// Why a worker cannot join, or empty. Workers of one pool must give the same answers.
std::string Dispatcher::objection_to(const messages::WorkerHello& hello) const {
  if (hello.vocabulary_hash != options_.vocabulary_hash) {
    return "its model has another vocabulary than the front's: start both with the same file";
  }
  if (hello.context_max < options_.context_max) {
    return "it holds a context of " + std::to_string(hello.context_max) +
           " tokens and the front promises " + std::to_string(options_.context_max) +
           ": start it with the same --context";
  }
  for (const auto& [peer, worker] : workers_.workers()) {
    if (worker.hello.worker != hello.worker && worker.hello.numerics_id != hello.numerics_id) {
      return "its answers would differ (" + hello.numerics_id + ", here " +
             worker.hello.numerics_id +
             "): start it with the same model file, --precision and --cpu-backend";
    }
  }
  return {};
}

void Dispatcher::note_finish(Time now) {
  // Weight 1/8: about the last dozen requests decide, so that a change of load shows within
  // seconds.
  if (last_finish_ != Time{}) finish_interval_ += (now - last_finish_ - finish_interval_) / 8;
  last_finish_ = now;
}

std::string Dispatcher::why_full(std::uint32_t call_size) const {
  const std::string bound = std::to_string(options_.queued_max) + " requests";
  if (call_size <= 1) return "the queue is full (" + bound + "): retry later";
  return "the queue (" + bound + ") has no room for the " + std::to_string(call_size) +
         " answers of this call: retry later";
}

std::array<std::uint64_t, kPriorities> Dispatcher::queued_by_priority() const {
  std::array<std::uint64_t, kPriorities> queued{};
  for (const auto& [id, entry] : ledger_.entries()) {
    const auto priority = std::min<std::size_t>(entry.request.priority, kPriorities - 1);
    if (!entry.running()) ++queued[priority];
  }
  return queued;
}

// When the queue will have moved by as many places as it holds, at the measured rate.
std::uint32_t Dispatcher::retry_after_ms() const {
  const auto wait = std::chrono::duration_cast<milliseconds>(
      finish_interval_ * static_cast<std::int64_t>(queue_.size()));
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(wait.count(), 100, config::kRetryAfterMsMax));
}

}  // namespace troupe::actors::dispatch

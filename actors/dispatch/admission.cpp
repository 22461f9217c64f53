// The dispatcher's rules at its doors: which workers may join, what refused clients are told, and
// what passes from a dispatcher to the one that takes its place.
#include <algorithm>

#include "actors/dispatch/dispatcher.hpp"

namespace troupe::actors::dispatch {

using std::chrono::milliseconds;

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
             "): was the model's file replaced? All workers need the same one, and the same "
             "--precision and --cpu-backend";
    }
  }
  return {};
}

void Dispatcher::take_over(Handover handover) {
  totals_ = handover.totals;
  calls_ = std::move(handover.calls);
  tombstones_ = std::move(handover.tombstones);
  down_ = std::move(handover.down);
  workers_.count_admissions_from(handover.admissions);
}

Handover Dispatcher::hand_over() const {
  Handover handover{.totals = totals_,
                    .calls = calls_,
                    .tombstones = tombstones_,
                    .down = down_,
                    .admissions = workers_.admissions(),
                    .open = {},
                    .peers = {}};
  for (const auto& [id, entry] : ledger_.entries()) handover.open.push_back(id);
  for (const auto& [peer, worker] : workers_.workers()) handover.peers.push_back(peer);
  return handover;
}

InHand Dispatcher::before(const messages::Failure& failure) const {
  const std::uint64_t id = failure.request_id;
  return {.request_id = id,
          .calls = calls_,
          .has_tombstone = std::ranges::find(tombstones_, id) != tombstones_.end(),
          .refused = totals_.refused};
}

// A call of one answer leaves the admissions as they are: they need no copy.
InHand Dispatcher::before(const messages::TokenizedRequest& request) const {
  const std::uint64_t id = request.request_id;
  InHand in_hand{.request_id = id,
                 .calls = {},
                 .has_tombstone = std::ranges::find(tombstones_, id) != tombstones_.end(),
                 .refused = totals_.refused};
  if (request.call_size > 1) in_hand.calls = calls_;
  return in_hand;
}

// What the worker may have been unable to read when it started over for that: of what it was given,
// that of which it has shown no token since. To be asked before it is admitted anew.
std::vector<std::uint64_t> Dispatcher::unread(const std::string& peer,
                                              const messages::WorkerHello& hello) const {
  std::vector<std::uint64_t> ids;
  const auto known = workers_.workers().find(peer);
  if (hello.unreadable.empty() || known == workers_.workers().end()) return ids;
  if (known->second.hello.beginning >= hello.beginning) return ids;
  for (const auto& [id, attempt] : known->second.holds) {
    const LedgerEntry* entry = ledger_.find(id);
    const bool is_there = entry != nullptr && entry->worker == peer && entry->attempt == attempt;
    if (is_there && (!entry->last_token || *entry->last_token <= entry->started)) ids.push_back(id);
  }
  return ids;
}

// Handled once more, and computed once more by the next worker, such a token would throw again.
void Dispatcher::take_alone(const messages::TokenEvent& event, Effects& effects, Time now) {
  try {
    if (options_.probe) options_.probe(event);
    take(event, effects, now);
  } catch (const std::exception& error) {
    const std::string why = std::string("an error in the server broke this off: ") + error.what();
    fail(event.request_id, messages::FailureCode::kInternal, why, effects);
  }
}

void Dispatcher::note_finish(Time now) {
  // Weight 1/8: about the last dozen requests decide, so that a change of load shows within
  // seconds.
  if (last_finish_ != Time{}) finish_interval_ += (now - last_finish_ - finish_interval_) / 8;
  last_finish_ = now;
}

std::string Dispatcher::why_full(std::uint32_t call_size) const {
  if (ledger_full_) return "the memory for requests and their answers is full: retry later";
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

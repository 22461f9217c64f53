// The dispatcher's queue: who goes to which worker next, and how a request comes back from one that
// died.
#include <algorithm>

#include "actors/dispatch/dispatcher.hpp"

namespace troupe::actors::dispatch {

// Hands queued requests to workers for as long as both last.
void Dispatcher::hand_out(Effects& effects, Time now) {
  workers_.activate(options_.local_workers, options_.local_workers - options_.spare_workers);
  try_suspect(effects, now);
  constexpr std::size_t kNoLimit = ~std::size_t{0};
  while (true) {
    const std::string peer = workers_.freest(ward_, suspects_.batch_limit().value_or(kNoLimit));
    if (peer.empty()) return;
    const auto next = most_urgent(peer, now);
    if (next == queue_.end()) return;
    give(peer, next, effects, now);
  }
}

// Suspects run one at a time on a worker that holds nothing else. Where none is idle, the one with
// the least to do gets no more work until it is, or until another one is: what it holds may be
// long. Without another worker everybody waits: a trial lasts until the suspect's next token.
void Dispatcher::try_suspect(Effects& effects, Time now) {
  if (!suspects_.any() || mutated(Mutant::kSuspectsTogether)) return ward_.clear();
  const Worker* ward = choose_ward();
  if (ward == nullptr || !ward->holds.empty()) return;
  const auto next =
      std::ranges::find_if(queue_, [this](std::uint64_t id) { return suspects_.is_suspect(id); });
  if (next == queue_.end()) return;
  trial_ = *next;
  give(ward_, next, effects, now);
}

// Never leaves a worker while it holds who is or was on trial there: its next step may be the one
// that kills, and nobody else may be in it.
const Worker* Dispatcher::choose_ward() {
  const Worker* ward = workers_.find(ward_);
  const bool usable = ward != nullptr && !ward->unreachable;
  if (ward != nullptr && ward->holds.contains(trial_)) return ward;
  if (usable && ward->holds.empty()) return ward;
  const std::string idlest = workers_.idlest();
  const Worker* other = workers_.find(idlest);
  if (usable && (other == nullptr || !other->holds.empty())) return ward;
  ward_ = idlest;
  return other;
}

// The end when nobody waits whom `peer` may have: neither suspects, nor what was recalled from it
// and is not released yet.
Dispatcher::Queue::iterator Dispatcher::most_urgent(const std::string& peer, Time now) {
  const Worker& worker = *workers_.find(peer);
  const auto level = [&](std::uint64_t id) {
    const LedgerEntry& entry = *ledger_.find(id);
    return static_cast<std::int64_t>(entry.request.priority) -
           (now - entry.accepted) / kAgeingInterval;
  };
  // Lower is more urgent; of equal ones the first in the queue.
  auto best = queue_.end();
  for (auto one = queue_.begin(); one != queue_.end(); ++one) {
    if (suspects_.is_suspect(*one) && !mutated(Mutant::kSuspectsTogether)) continue;
    if (worker.holds.contains(*one)) continue;
    const bool more_urgent =
        best == queue_.end() || (level(*one) < level(*best) && !mutated(Mutant::kPriorityIgnored));
    if (more_urgent) best = one;
  }
  return best;
}

void Dispatcher::give(const std::string& peer, Queue::iterator next, Effects& effects, Time now) {
  const std::uint64_t id = *next;
  queue_.erase(next);
  Worker& worker = *workers_.find(peer);
  LedgerEntry& entry = *ledger_.find(id);
  worker.holds.emplace(id, entry.attempt);
  entry.worker = peer;
  entry.started = now;
  const std::string& numerics_id = worker.hello.numerics_id;
  // What was produced stays, because its client has it; the reply says that the rest may differ.
  entry.resumed_inexact |=
      !entry.produced.empty() && !entry.numerics_id.empty() && entry.numerics_id != numerics_id;
  entry.numerics_id = numerics_id;
  effects.work.push_back({peer,
                          {.front_epoch = options_.front_epoch,
                           .request_id = id,
                           .attempt = entry.attempt,
                           .prompt_tokens = entry.request.prompt_tokens,
                           .produced_tokens = entry.produced,
                           .sampling = entry.request.sampling,
                           .cache_salt = entry.request.cache_salt}});
}

// What workers held that have left the pool; `peer` has just come back to it anew. A request that
// was recalled from a worker and runs elsewhere has nothing to do with that worker's end.
void Dispatcher::resume_orphans(std::vector<std::uint64_t> ids,
                                const std::string& peer,
                                Effects& effects) {
  std::erase_if(ids, [&](std::uint64_t id) {
    const LedgerEntry* entry = ledger_.find(id);
    return entry == nullptr || (entry->worker != peer && workers_.find(entry->worker) != nullptr);
  });
  resume(std::move(ids), effects);
}

// Puts requests whose worker is gone back at the front of the queue, in the order they were
// accepted. Those whose last token was journalled have no work left: aggregate's word is on its
// way.
void Dispatcher::resume(std::vector<std::uint64_t> ids, Effects& effects) {
  std::ranges::sort(ids, std::ranges::greater{});
  for (const std::uint64_t id : ids) {
    LedgerEntry* entry = ledger_.find(id);
    if (entry == nullptr || !entry->running()) continue;
    if (entry->end_proposed && !mutated(Mutant::kEndForgottenOnDeath)) continue;
    if (!mutated(Mutant::kAttemptNotRaised)) ++entry->attempt;
    entry->worker.clear();
    ++totals_.resumed;
    effects.resumed.push_back(id);
    if (mutated(Mutant::kRequestLostOnDeath)) continue;
    mutated(Mutant::kResumeAtTheBack) ? queue_.push_back(id) : queue_.push_front(id);
  }
}

// Takes a request from its living worker.
void Dispatcher::recall(std::uint64_t request_id, Effects& effects) {
  stop_work(request_id, *ledger_.find(request_id), effects);
  resume({request_id}, effects);
}

void Dispatcher::stop_work(std::uint64_t request_id,
                           const LedgerEntry& entry,
                           Effects& effects) const {
  if (entry.end_proposed || workers_.workers().find(entry.worker) == workers_.workers().end()) {
    return;
  }
  effects.cancels.push_back(
      {entry.worker,
       {.front_epoch = options_.front_epoch, .request_id = request_id, .attempt = entry.attempt}});
}

}  // namespace troupe::actors::dispatch

#include "actors/dispatch/ledger_keeper.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace troupe::actors::dispatch {
namespace {

bool may_come_back(const messages::Origin& origin) {
  return origin.door == messages::Door::kZmq ||
         (origin.door == messages::Door::kHttp && !origin.id.empty());
}

}  // namespace

RestoredEntry entry_of(const RestoredRequest& old) {
  LedgerEntry entry{.request = old.request,
                    .accepted = Time{old.accepted_us},
                    .numerics_id = old.numerics_id,
                    .resumed_inexact = old.resumed_inexact};
  for (const messages::TokenEvent& event : old.events) entry.produced.push_back(event.token);
  return {std::move(entry), old.suspicion};
}

KeptEnd end_of(const RestoredRequest& old) {
  return {.request = {.request_id = old.request.request_id,
                      .call_first = old.request.call_first,
                      .call_size = old.request.call_size},
          .at = Time{old.end->at_us}};
}

std::vector<RestoredRequest> worth_restoring(std::vector<RestoredRequest> left,
                                             Time ended_kept,
                                             Time now) {
  const auto call_of = [](const RestoredRequest& one) {
    return one.request.call_size > 1 ? one.request.call_first : one.request.request_id;
  };
  std::map<std::uint64_t, bool> wanted;  // by call
  for (const RestoredRequest& one : left) {
    wanted[call_of(one)] |= !one.end || now - Time{one.end->at_us} <= ended_kept;
  }
  std::erase_if(left, [&](const RestoredRequest& one) {
    return !may_come_back(one.request.origin) || !wanted.at(call_of(one));
  });
  return left;
}

LedgerKeeper::LedgerKeeper(std::shared_ptr<LedgerFile> file,
                           std::chrono::milliseconds ended_kept,
                           std::vector<KeptEnd> ended)
    : file_(std::move(file)), ended_kept_(ended_kept) {
  std::ranges::sort(ended, {}, &KeptEnd::at);
  order_.assign(ended.begin(), ended.end());
  for (const KeptEnd& one : order_) ended_.insert(one.request.request_id);
}

std::vector<RestoredRequest> LedgerKeeper::open(const Dispatcher& core) const {
  std::vector<RestoredRequest> all = file_ ? file_->fold() : std::vector<RestoredRequest>{};
  std::erase_if(all, [&](const RestoredRequest& one) {
    return core.ledger_entry(one.request.request_id) == nullptr;
  });
  return all;
}

void LedgerKeeper::journal(const Effects& effects, const Dispatcher& core, Time now) {
  if (!file_) return;
  const auto keep = [this, &core](std::uint64_t id) {
    return core.ledger_entry(id) != nullptr || ended_.contains(id);
  };
  // Before any frame: each may clean the file up, and dispatch knows the ended ones no more.
  for (const EndedRequest& ended : effects.ended) {
    ended_.insert(ended.request_id);
    order_.push_back({ended, now});
  }
  for (const messages::TokenizedRequest& request : effects.accepted) {
    file_->accept(request, now.count(), keep);
  }
  for (const messages::TokenEvent& event : effects.journaled.events) file_->append(event, keep);
  for (const std::uint64_t id : effects.judged) file_->judge(id, core.suspicion(id), keep);
  for (const auto& [peer, item] : effects.work) {
    const LedgerEntry* entry = core.ledger_entry(item.request_id);
    if (entry == nullptr) continue;
    file_->give(item.request_id, entry->numerics_id, entry->resumed_inexact, keep);
  }
  for (const EndedRequest& ended : effects.ended) {
    const auto failure =
        std::ranges::find(effects.failures, ended.request_id, &messages::Failure::request_id);
    LedgerEnd end{.at_us = now.count(), .failed = failure != effects.failures.end()};
    if (end.failed) end.failure = *failure;
    file_->end(ended.request_id, end, keep);
  }
  forget_old(core, now);
  if (!file_->pressed()) return;
  // What has ended is only kept as a courtesy.
  for (std::size_t i = (order_.size() + 1) / 2; i > 0; --i) forget_oldest(core, now);
  file_->tidy(keep);
}

void LedgerKeeper::forget_old(const Dispatcher& core, Time now) {
  while (!order_.empty() && now - order_.front().at > ended_kept_) forget_oldest(core, now);
}

// While one answer of a call lives, so do the others: a part of a reply is worth nothing.
void LedgerKeeper::forget_oldest(const Dispatcher& core, Time now) {
  const KeptEnd oldest = order_.front();
  order_.pop_front();
  bool call_lives = false;
  for (std::uint32_t i = 0; i < oldest.request.call_size; ++i) {
    call_lives |= core.ledger_entry(oldest.request.call_first + i) != nullptr;
  }
  if (call_lives) return order_.push_back({oldest.request, now});
  ended_.erase(oldest.request.request_id);
  file_->forgotten();
}

}  // namespace troupe::actors::dispatch

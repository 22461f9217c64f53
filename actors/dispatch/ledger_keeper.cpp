#include "actors/dispatch/ledger_keeper.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>
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

TakenOver take_from(LedgerFile& file, Time ended_kept, Time now) {
  const std::vector<RestoredRequest> left = file.outlines();
  std::unordered_set<std::uint64_t> wanted;
  for (const RestoredRequest& one : worth_restoring(left, ended_kept, now)) {
    wanted.insert(one.request.request_id);
  }
  const auto keep = [&wanted](std::uint64_t id) { return wanted.contains(id); };
  TakenOver taken{.requests = file.fold(keep), .lost = 0};
  for (const RestoredRequest& one : left) {
    const std::uint64_t id = one.request.request_id;
    if (one.end || wanted.contains(id)) continue;
    const messages::Failure gone{.request_id = id,
                                 .code = messages::FailureCode::kCancelled,
                                 .message = "its client was lost with the front before"};
    file.end(id, {.at_us = now.count(), .failed = true, .failure = gone}, keep);
    ++taken.lost;
  }
  return taken;
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
  if (!file_) return {};
  std::vector<RestoredRequest> open = file_->open();
  // Of one whose end found no room in the file, only dispatch knows that it has ended.
  std::erase_if(open, [&core](const RestoredRequest& one) {
    return core.ledger_entry(one.request.request_id) == nullptr;
  });
  return open;
}

std::set<std::uint64_t> LedgerKeeper::suspects() const {
  std::set<std::uint64_t> all = suspects_;
  if (writing_) all.insert(*writing_);
  return all;
}

// The first exception over a request may have any cause, and costs nobody anything: another
// incarnation of the stage takes over. The second is the request's.
template <class Write>
void LedgerKeeper::write(std::uint64_t request_id,
                         std::vector<std::uint64_t>& broken,
                         const Write& frame) {
  writing_ = request_id;
  try {
    frame();
  } catch (const std::exception&) {
    if (!suspects_.contains(request_id)) throw;
    broken.push_back(request_id);
  }
  writing_.reset();
}

std::vector<std::uint64_t> LedgerKeeper::journal(const Effects& effects,
                                                 const Dispatcher& core,
                                                 Time now) {
  std::vector<std::uint64_t> broken;
  if (!file_) return broken;
  const auto keep = [this, &core](std::uint64_t id) {
    return core.ledger_entry(id) != nullptr || ended_.contains(id);
  };
  // Before any frame: each may clean the file up, and dispatch knows the ended ones no more.
  for (const EndedRequest& ended : effects.ended) {
    ended_.insert(ended.request_id);
    order_.push_back({ended, now});
  }
  for (const messages::TokenizedRequest& request : effects.accepted) {
    write(request.request_id, broken, [&] { file_->accept(request, now.count(), keep); });
  }
  for (const messages::TokenEvent& event : effects.journaled.events) {
    write(event.request_id, broken, [&] { file_->append(event, keep); });
  }
  for (const std::uint64_t id : effects.judged) {
    write(id, broken, [&] { file_->judge(id, core.suspicion(id), keep); });
  }
  for (const auto& [peer, item] : effects.work) {
    const LedgerEntry* entry = core.ledger_entry(item.request_id);
    if (entry == nullptr) continue;
    write(item.request_id, broken, [&] {
      file_->give(item.request_id, entry->numerics_id, entry->resumed_inexact, keep);
    });
  }
  for (const EndedRequest& ended : effects.ended) {
    const auto failure =
        std::ranges::find(effects.failures, ended.request_id, &messages::Failure::request_id);
    LedgerEnd end{.at_us = now.count(), .failed = failure != effects.failures.end()};
    if (end.failed) end.failure = *failure;
    write(ended.request_id, broken, [&] { file_->end(ended.request_id, end, keep); });
  }
  forget_old(core, now);
  if (!file_->pressed()) return broken;
  // What has ended is only kept as a courtesy.
  for (std::size_t i = (order_.size() + 1) / 2; i > 0; --i) forget_oldest(core, now);
  file_->tidy(keep);
  return broken;
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

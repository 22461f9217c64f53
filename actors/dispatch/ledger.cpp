#include "actors/dispatch/ledger.hpp"

#include <algorithm>
#include <utility>

#include "config/check.hpp"

namespace troupe::actors::dispatch {

LedgerEntry& Ledger::accept(messages::TokenizedRequest request, Time now) {
  const std::uint64_t id = request.request_id;
  const auto [entry, added] = entries_.try_emplace(id);
  CHECK(added, "request ids are unique in a front's life");
  entry->second.request = std::move(request);
  entry->second.accepted = now;
  return entry->second;
}

void Ledger::restore(LedgerEntry entry) {
  const std::uint64_t id = entry.request.request_id;
  const bool added = entries_.try_emplace(id, std::move(entry)).second;
  CHECK(added, "the memory file holds each request once");
}

LedgerEntry* Ledger::find(std::uint64_t request_id) {
  const auto found = entries_.find(request_id);
  return found == entries_.end() ? nullptr : &found->second;
}

const LedgerEntry* Ledger::find(std::uint64_t request_id) const {
  const auto found = entries_.find(request_id);
  return found == entries_.end() ? nullptr : &found->second;
}

Append Ledger::append(const messages::TokenEvent& event, Time now) {
  LedgerEntry* entry = find(event.request_id);
  if (entry == nullptr || entry->attempt != event.attempt || !entry->running())
    return Append::kStale;
  const bool is_anywhere =
      event.finish == messages::FinishReason::kError && event.position == messages::kNoPosition;
  if (!is_anywhere && event.position < entry->produced.size()) {
    return entry->produced[event.position] == event.token ? Append::kRepeated : Append::kConflict;
  }
  if (!is_anywhere && event.position > entry->produced.size()) return Append::kGap;
  if (event.token >= 0) entry->produced.push_back(event.token);
  entry->last_token = now;
  entry->end_proposed = event.finish != messages::FinishReason::kNone;
  return Append::kJournalled;
}

void Ledger::erase(std::uint64_t request_id) { entries_.erase(request_id); }

std::size_t Ledger::running() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [](const auto& entry) { return entry.second.running(); }));
}

}  // namespace troupe::actors::dispatch

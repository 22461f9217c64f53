// The ledger: every accepted request with its prompt, parameters and produced tokens, from
// acceptance to its end. Pure. A token is journalled here before anything of it is emitted
// (docs/decisions/0003-journal-before-emit.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "messages/token_frame.hpp"
#include "messages/tokenized_request.hpp"

namespace troupe::actors::dispatch {

// Monotonic time since an arbitrary start, handed in by the caller.
using Time = std::chrono::microseconds;

struct LedgerEntry {
  messages::TokenizedRequest request;
  std::vector<std::int32_t> produced;  // [produced], journalled tokens
  std::uint32_t attempt = 1;           // raised each time it is taken from a worker
  std::string worker;                  // routing id of the worker that holds it; empty: queued
  bool end_proposed = false;           // the worker has sent its last token and works on it no more
  Time accepted{};
  std::optional<Time> started;  // handed to a worker
  std::optional<Time> last_token;
  std::string numerics_id;       // of the worker that computed `produced`; empty: none did
  bool resumed_inexact = false;  // a worker with another numerics_id went on

  bool running() const { return !worker.empty(); }
};

enum class Append {
  kJournalled,  // the token extends the entry
  kRepeated,    // the ledger holds this position already: drop it
  kConflict,    // so it does, but with another token, which is a fault of ours: drop it
  kStale,       // another attempt's, or of a request that has ended: drop it
  kGap,         // a token before it is missing: the attempt has failed
};

class Ledger {
 public:
  // `request.request_id` must be new.
  LedgerEntry& accept(messages::TokenizedRequest request, Time now);

  // As accept, of a request that an earlier front had accepted.
  void restore(LedgerEntry entry);

  // nullptr when the request is not (any more) in the ledger.
  LedgerEntry* find(std::uint64_t request_id);
  const LedgerEntry* find(std::uint64_t request_id) const;

  // Judges a worker's event and, when it is next in line, appends its token.
  Append append(const messages::TokenEvent& event, Time now);

  void erase(std::uint64_t request_id);

  std::size_t size() const { return entries_.size(); }

  std::size_t running() const;

  const std::unordered_map<std::uint64_t, LedgerEntry>& entries() const { return entries_; }

 private:
  std::unordered_map<std::uint64_t, LedgerEntry> entries_;
};

}  // namespace troupe::actors::dispatch

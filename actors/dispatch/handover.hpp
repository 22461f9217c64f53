// What a dispatcher knows that the ledger's file does not, for the one that takes its place in the
// same front.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/dispatch/call_admission.hpp"
#include "actors/dispatch/totals.hpp"

namespace troupe::actors::dispatch {

// A worker of root's that died and has not come back.
struct Down {
  std::string reason;
  bool gone = false;  // root will not start it again
};

// What a message about a request found before it was handled. If it throws, and the ledger does
// not hold its request, it changes these once more: it is handled again.
struct InHand {
  std::uint64_t request_id = 0;
  std::optional<CallAdmission> calls;  // nullopt: the message does not concern them
  bool has_tombstone = false;
  std::uint64_t refused = 0;
};

struct Handover {
  Totals totals;                         // without what is restored
  CallAdmission calls;                   // calls of which a part has come
  std::deque<std::uint64_t> tombstones;  // cancels that overtook their request
  std::map<std::string, Down> down;      // by name
  std::uint64_t admissions = 0;          // of workers, so far
  std::vector<std::uint64_t> open;       // requests that had not ended
  std::vector<std::string> peers;        // workers that were there, by routing id

  void undo(InHand before) {
    if (before.calls) calls = std::move(*before.calls);
    std::erase(tombstones, before.request_id);
    if (before.has_tombstone) tombstones.push_back(before.request_id);
    totals.refused = before.refused;
  }
};

}  // namespace troupe::actors::dispatch

// What a dispatcher knows that the ledger's file does not, for the one that takes its place in the
// same front.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
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

struct Handover {
  Totals totals;                         // without what is restored
  CallAdmission calls;                   // calls of which a part has come
  std::deque<std::uint64_t> tombstones;  // cancels that overtook their request
  std::map<std::string, Down> down;      // by name
  std::uint64_t admissions = 0;          // of workers, so far
  std::vector<std::uint64_t> open;       // requests that had not ended
  std::vector<std::string> peers;        // workers that were there, by routing id
};

}  // namespace troupe::actors::dispatch

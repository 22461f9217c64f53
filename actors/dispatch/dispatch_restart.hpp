// A dispatcher in the place of one that an exception ended, made of the ledger's file and of what
// that one knew besides. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/dispatch/dispatcher.hpp"
#include "actors/dispatch/ledger_keeper.hpp"
#include "actors/dispatch/tally.hpp"

namespace troupe::actors::dispatch {

// What the stage knew when the exception came.
struct StageHandover {
  Handover core;
  std::vector<KeptEnd> ended;        // that the file keeps for a while
  std::set<std::uint64_t> suspects;  // requests over whose frames the ledger threw
  std::optional<InHand> in_hand;     // of the message that threw
  // Of the message that threw: ends that were decided, and perhaps neither journalled nor told.
  std::vector<messages::Failure> untold;
  std::vector<Ending> uncounted;
};

struct DispatchRestart {
  Dispatcher core;
  LedgerKeeper keeper;
  // For aggregate, which drops what it has: what was journalled may not have been told.
  std::vector<RestoredRequest> open;
  std::vector<messages::Failure> failures;
  std::vector<std::string> peers;  // workers that must start over
};

// `lives`: how many dispatchers there were in this front. `file` is not null.
DispatchRestart restart_dispatch(DispatcherOptions options,
                                 std::shared_ptr<LedgerFile> file,
                                 std::chrono::milliseconds ended_kept,
                                 StageHandover handover,
                                 Tally& tally,
                                 std::uint32_t lives,
                                 Time now);

}  // namespace troupe::actors::dispatch

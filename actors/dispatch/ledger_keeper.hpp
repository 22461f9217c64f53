// Writes what dispatch decides into the ledger's memory file, and knows what may be cleaned out of
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>

#include "actors/dispatch/dispatcher.hpp"
#include "actors/dispatch/ledger_file.hpp"

namespace troupe::actors::dispatch {

// Where the dispatcher goes on with a request of the front before.
RestoredEntry entry_of(const RestoredRequest& old);

class LedgerKeeper {
 public:
  // `file` nullptr: nothing is kept.
  LedgerKeeper(std::shared_ptr<LedgerFile> file, std::chrono::milliseconds ended_kept)
      : file_(std::move(file)), ended_kept_(ended_kept) {}

  // To be called before any of `effects` leaves the front.
  void journal(const Effects& effects, const Dispatcher& core, Time now);

 private:
  struct Ended {
    EndedRequest request;
    Time at{};
  };

  void forget_old(const Dispatcher& core, Time now);

  std::shared_ptr<LedgerFile> file_;
  Time ended_kept_;
  std::deque<Ended> order_;        // ended requests that a client may still ask for, oldest first
  std::set<std::uint64_t> ended_;  // their ids
};

}  // namespace troupe::actors::dispatch

// Writes what dispatch decides into the ledger's memory file, and knows what may be cleaned out of
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "actors/dispatch/dispatcher.hpp"
#include "actors/dispatch/ledger_file.hpp"

namespace troupe::actors::dispatch {

// Where the dispatcher goes on with a request of the front before.
RestoredEntry entry_of(const RestoredRequest& old);

// An ended request that a client may still ask for.
struct KeptEnd {
  EndedRequest request;
  Time at{};
};

// Of a request of the front before that has ended.
KeptEnd end_of(const RestoredRequest& old);

// Of `left`, what the front before left, that for which a client may come back. While one answer of
// a call is open or ended less than `ended_kept` ago, so are the others worth keeping.
std::vector<RestoredRequest> worth_restoring(std::vector<RestoredRequest> left,
                                             Time ended_kept,
                                             Time now);

// What a new front takes over out of the file. Ends in it what was open and is not taken over: its
// client is gone with the front, and a later reader of the file should not find it open.
struct TakenOver {
  std::vector<RestoredRequest> requests;
  std::uint64_t lost = 0;  // that were open and are not taken over
};

TakenOver take_from(LedgerFile& file, Time ended_kept, Time now);

class LedgerKeeper {
 public:
  // `file` nullptr: nothing is kept. `ended`: what has ended in fronts before and stays for a next.
  LedgerKeeper(std::shared_ptr<LedgerFile> file,
               std::chrono::milliseconds ended_kept,
               std::vector<KeptEnd> ended = {});

  // This request was accepted, and has ended not long ago.
  bool has_ended(std::uint64_t request_id) const { return ended_.contains(request_id); }

  // True when no more should be promised: the file is nearly full of what is promised already.
  bool full() const { return file_ && file_->pressed(); }

  // Frames that the file had no room for.
  std::uint64_t lost() const { return file_ ? file_->lost() : 0; }

  // What the file has of the requests that are open at `core`, in the order of acceptance.
  std::vector<RestoredRequest> open(const Dispatcher& core) const;

  // To be called before any of `effects` leaves the front. Returns the suspects over whose frames
  // an exception was thrown once more: they cannot be written down, and have to end.
  std::vector<std::uint64_t> journal(const Effects& effects, const Dispatcher& core, Time now);

  // Requests over whose frames an exception was thrown, here or before.
  std::set<std::uint64_t> suspects() const;

  void suspect(std::set<std::uint64_t> suspects) { suspects_ = std::move(suspects); }

  std::vector<KeptEnd> kept() const { return {order_.begin(), order_.end()}; }

 private:
  template <class Write>
  void write(std::uint64_t request_id, std::vector<std::uint64_t>& broken, const Write& frame);
  void forget_old(const Dispatcher& core, Time now);
  void forget_oldest(const Dispatcher& core, Time now);

  std::shared_ptr<LedgerFile> file_;
  Time ended_kept_;
  std::deque<KeptEnd> order_;             // oldest first
  std::set<std::uint64_t> ended_;         // their ids
  std::optional<std::uint64_t> writing_;  // whose frame is being written
  std::set<std::uint64_t> suspects_;
};

}  // namespace troupe::actors::dispatch

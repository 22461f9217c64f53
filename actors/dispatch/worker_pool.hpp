// The workers that dispatch knows: their generations, their credits, and which one takes the next
// request. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "actors/dispatch/ledger.hpp"
#include "messages/worker_link.hpp"

namespace troupe::actors::dispatch {

struct Worker {
  messages::WorkerHello hello;
  // [request id] → attempt, of what took a credit and has not been released
  std::map<std::uint64_t, std::uint32_t> holds;
  Time heard{};                 // its last hello or beat
  std::uint64_t admission = 0;  // which of this front's admissions
  // A message for it or of it was lost: nobody knows what it does, until it has started over.
  bool unreachable = false;
  bool active = false;  // else a spare: it waits for another one's death

  // With at most `most` requests at once.
  std::size_t credits(std::size_t most) const {
    const std::size_t places = std::min<std::size_t>(hello.sequences_max, most);
    return places > holds.size() ? places - holds.size() : 0;
  }
};

class WorkerPool {
 public:
  // Takes a worker in, under its routing id. Earlier incarnations of the same name leave; what they
  // held is returned.
  std::vector<std::uint64_t> admit(const std::string& peer,
                                   const messages::WorkerHello& hello,
                                   Time now);

  // Removes the incarnation (or an earlier one) of `name`; returns what it held.
  std::vector<std::uint64_t> remove(const std::string& name, std::uint64_t generation);

  // Removes the workers last heard of before `since`; returns what they held.
  std::vector<std::uint64_t> remove_silent(Time since);

  // nullptr when no such peer was admitted.
  Worker* find(const std::string& peer);

  // Lets workers of root's take work until `most` do; the rest are spares. They are named worker-0
  // … worker-(local - 1). Those from elsewhere came to work: no bound holds for them.
  void activate(std::uint32_t local, std::uint32_t most);

  // The active peer with the most free credits, or empty when none has one. Ties: the first by
  // routing id. `except` gets no work; no worker holds more than `most`.
  std::string freest(const std::string& except, std::size_t most) const;

  // Numbers of admissions go on above this one.
  void count_admissions_from(std::uint64_t admissions) { admissions_ = admissions; }

  std::uint64_t admissions() const { return admissions_; }

  // The active peer that holds the fewest requests; empty when there is none.
  std::string idlest() const;

  bool empty() const { return workers_.empty(); }

  const std::map<std::string, Worker>& workers() const { return workers_; }

 private:
  template <class Predicate>
  std::vector<std::uint64_t> remove_if(Predicate goes) {
    std::vector<std::uint64_t> orphans;
    std::erase_if(workers_, [&](const auto& entry) {
      if (!goes(entry.second)) return false;
      for (const auto& [id, attempt] : entry.second.holds) orphans.push_back(id);
      return true;
    });
    return orphans;
  }

  std::map<std::string, Worker> workers_;  // by routing id
  std::uint64_t admissions_ = 0;
};

}  // namespace troupe::actors::dispatch

// The workers that dispatch knows: their generations, their credits, and which one takes the next
// request. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "actors/dispatch/ledger.hpp"
#include "messages/worker_link.hpp"

namespace troupe::actors::dispatch {

struct Worker {
  messages::WorkerHello hello;
  std::set<std::uint64_t> holds;  // request ids that took a credit and have not been released
  Time heard{};                   // its last hello or beat

  std::size_t credits() const {
    return hello.sequences_max > holds.size() ? hello.sequences_max - holds.size() : 0;
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

  // The peer with the most free credits, or empty when none has one. Ties: the first by routing id.
  std::string freest() const;

  bool empty() const { return workers_.empty(); }

  const std::map<std::string, Worker>& workers() const { return workers_; }

 private:
  template <class Predicate>
  std::vector<std::uint64_t> remove_if(Predicate goes) {
    std::vector<std::uint64_t> orphans;
    std::erase_if(workers_, [&](const auto& entry) {
      if (!goes(entry.second)) return false;
      orphans.insert(orphans.end(), entry.second.holds.begin(), entry.second.holds.end());
      return true;
    });
    return orphans;
  }

  std::map<std::string, Worker> workers_;  // by routing id
};

}  // namespace troupe::actors::dispatch

#include "actors/dispatch/worker_pool.hpp"

namespace troupe::actors::dispatch {

std::vector<std::uint64_t> WorkerPool::admit(const std::string& peer,
                                             const messages::WorkerHello& hello) {
  std::vector<std::uint64_t> orphans;
  if (const Worker* known = find(peer); known != nullptr && known->hello == hello) return orphans;
  orphans = remove(hello.worker, hello.generation);
  workers_[peer] = Worker{.hello = hello, .holds = {}};
  return orphans;
}

std::vector<std::uint64_t> WorkerPool::remove(const std::string& name, std::uint64_t generation) {
  std::vector<std::uint64_t> orphans;
  std::erase_if(workers_, [&](const auto& entry) {
    const Worker& worker = entry.second;
    if (worker.hello.worker != name || worker.hello.generation > generation) return false;
    orphans.insert(orphans.end(), worker.holds.begin(), worker.holds.end());
    return true;
  });
  return orphans;
}

Worker* WorkerPool::find(const std::string& peer) {
  const auto found = workers_.find(peer);
  return found == workers_.end() ? nullptr : &found->second;
}

std::string WorkerPool::freest() const {
  std::string best;
  std::size_t best_credits = 0;
  for (const auto& [peer, worker] : workers_) {
    if (worker.credits() > best_credits) {
      best = peer;
      best_credits = worker.credits();
    }
  }
  return best;
}

}  // namespace troupe::actors::dispatch

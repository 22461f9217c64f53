#include "actors/dispatch/worker_pool.hpp"

namespace troupe::actors::dispatch {

std::vector<std::uint64_t> WorkerPool::admit(const std::string& peer,
                                             const messages::WorkerHello& hello,
                                             Time now) {
  if (Worker* known = find(peer); known != nullptr && known->hello == hello) {
    known->heard = now;
    return {};
  }
  std::vector<std::uint64_t> orphans = remove(hello.worker, hello.generation);
  workers_[peer] = Worker{.hello = hello, .holds = {}, .heard = now};
  return orphans;
}

std::vector<std::uint64_t> WorkerPool::remove(const std::string& name, std::uint64_t generation) {
  return remove_if([&](const Worker& worker) {
    return worker.hello.worker == name && worker.hello.generation <= generation;
  });
}

std::vector<std::uint64_t> WorkerPool::remove_silent(Time since) {
  return remove_if([since](const Worker& worker) { return worker.heard < since; });
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

#include "actors/dispatch/worker_pool.hpp"

namespace troupe::actors::dispatch {

std::vector<std::uint64_t> WorkerPool::admit(const std::string& peer,
                                             const messages::WorkerHello& hello,
                                             Time now) {
  if (Worker* known = find(peer); known != nullptr && known->hello == hello) {
    if (!known->unreachable) known->heard = now;
    return {};
  }
  std::vector<std::uint64_t> orphans = remove(hello.worker, hello.generation);
  workers_[peer] = Worker{.hello = hello, .holds = {}, .heard = now, .admission = ++admissions_};
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

std::string WorkerPool::freest(const std::string& except, std::size_t most) const {
  std::string best;
  std::size_t best_credits = 0;
  for (const auto& [peer, worker] : workers_) {
    if (worker.active && !worker.unreachable && peer != except &&
        worker.credits(most) > best_credits) {
      best = peer;
      best_credits = worker.credits(most);
    }
  }
  return best;
}

std::string WorkerPool::idlest() const {
  const Worker* fewest = nullptr;
  std::string best;
  for (const auto& [peer, worker] : workers_) {
    if (!worker.active || worker.unreachable) continue;
    if (fewest != nullptr && worker.holds.size() >= fewest->holds.size()) continue;
    fewest = &worker;
    best = peer;
  }
  return best;
}

void WorkerPool::activate(std::uint32_t local, std::uint32_t most) {
  const auto is_local = [local](const Worker& worker) {
    for (std::uint32_t i = 0; i < local; ++i) {
      if (worker.hello.worker == "worker-" + std::to_string(i)) return true;
    }
    return false;
  };
  std::uint32_t active = 0;
  for (const auto& [peer, worker] : workers_) active += worker.active && is_local(worker) ? 1U : 0U;
  for (auto& [peer, worker] : workers_) {
    if (worker.active || (is_local(worker) && active >= most)) continue;
    worker.active = true;
    active += is_local(worker) ? 1U : 0U;
  }
}

}  // namespace troupe::actors::dispatch

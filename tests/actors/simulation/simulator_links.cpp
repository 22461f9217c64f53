// The links between front and workers: what goes over them, and how it is lost.
#include <algorithm>
#include <utility>

#include "tests/actors/simulation/simulator.hpp"

namespace troupe::tests {

using namespace actors;

// The connection breaks and is made again: of what was on its way anything may be lost.
void Simulator::reconnect(Process& process) {
  if (!process.worker) return;
  ++seen_.reconnects;
  const auto lost =
      std::erase_if(process.to_worker, [this](const ToWorker&) { return roll(2) == 0; });
  process.worker_lacks |= lost > 0 && !options_.losses_unnoticed;
  std::erase_if(process.to_front, [this](const auto&) { return roll(2) == 0; });
  perform(front_.dispatcher->on_unreachable(process.worker->peer(), now_));
}

void Simulator::deliver_to_front(Process& process) {
  if (process.to_front.empty()) return;
  auto [peer, message] = std::move(process.to_front.front());
  process.to_front.pop_front();
  if (process.front_lacks == peer) {
    process.front_lacks.clear();
    perform(front_.dispatcher->on_unreachable(peer, now_));
  }
  dispatch::Dispatcher& core = *front_.dispatcher;
  // Whatever an incarnation says that has been given up, nobody may believe it.
  auto* const late = std::get_if<messages::TokenFrame>(&message);
  if (late != nullptr && !core.workers().workers().contains(peer)) {
    for (auto& event : late->events) event.token = 'z';
  }
  if (const auto* const hello = std::get_if<messages::WorkerHello>(&message)) {
    perform(core.on_hello(peer, *hello, now_));
  } else if (const auto* const beat = std::get_if<messages::WorkerBeat>(&message)) {
    perform(core.on_beat(peer, *beat, now_));
  } else if (const auto* const frame = std::get_if<messages::TokenFrame>(&message)) {
    perform(core.on_tokens(peer, *frame, now_));
  } else {
    perform(core.on_released(peer, std::get<messages::Released>(message), now_));
  }
}

void Simulator::deliver_to_worker(Process& process) {
  if (!process.worker || process.hung || process.to_worker.empty()) return;
  const ToWorker message = std::move(process.to_worker.front());
  process.to_worker.pop_front();
  if (std::exchange(process.worker_lacks, false)) process.worker->start_over();
  send(process, process.worker->take(message));
}

// The next messages of one way are lost, and nobody is told. Each has its number (actors/link/
// frame_numbers.hpp), so the one after them shows that.
void Simulator::lose_messages(Process& process) {
  if (!process.worker) return;
  ++seen_.losses;
  const bool to_worker = roll(2) == 0;
  for (std::uint32_t left = 1 + roll(4); left > 0; --left) {
    if (to_worker && !process.to_worker.empty()) {
      process.to_worker.pop_front();
      process.worker_lacks = !options_.losses_unnoticed;
    } else if (!to_worker && !process.to_front.empty()) {
      if (!options_.losses_unnoticed) process.front_lacks = process.to_front.front().first;
      process.to_front.pop_front();
    }
  }
}

void Simulator::send(Process& process, std::vector<ToFront> messages) {
  for (ToFront& message : messages) {
    process.to_front.emplace_back(process.worker->peer(), std::move(message));
  }
}

}  // namespace troupe::tests

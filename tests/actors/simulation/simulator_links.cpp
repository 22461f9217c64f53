// The links between front and workers: what goes over them, and how it is lost.
#include <algorithm>
#include <utility>

#include "messages/wire.hpp"
#include "tests/actors/simulation/simulator.hpp"

namespace troupe::tests {

using namespace actors;

namespace {

// As it follows a frame: all that the real numbers look at.
std::string next_number(link::FrameNumbers& numbers, const std::string& peer, std::uint64_t epoch) {
  std::string frame;
  messages::append_header(frame, {.epoch = epoch});
  numbers.stamp(peer, frame);
  return frame;
}

bool follows(link::FrameNumbers& numbers, const std::string& peer, std::string_view number) {
  return numbers.take(peer, number);
}

}  // namespace

// The connection breaks and is made again: of what was on its way anything may be lost. The front
// notices at once if it had something to send meanwhile.
void Simulator::reconnect(Process& process) {
  if (!process.worker) return;
  ++seen_.reconnects;
  std::erase_if(process.to_worker, [this](const auto&) { return roll(2) == 0; });
  std::erase_if(process.to_front, [this](const auto&) { return roll(2) == 0; });
  if (roll(2) == 0) perform(front_.dispatcher->on_unreachable(process.worker->peer(), now_));
}

void Simulator::note_losses(const Sent& sent) {
  if (follows(front_.numbers, sent.peer, sent.number) || options_.losses_unnoticed) return;
  perform(front_.dispatcher->on_unreachable(sent.peer, now_));
}

void Simulator::deliver_to_front(Process& process) {
  if (process.to_front.empty()) return;
  Sent sent = std::move(process.to_front.front());
  process.to_front.pop_front();
  note_losses(sent);
  auto& [peer, number, message] = sent;
  dispatch::Dispatcher& core = *front_.dispatcher;
  // Whatever an incarnation says that has been given up, nobody may believe it.
  auto* const late = std::get_if<messages::TokenFrame>(&message);
  if (late != nullptr && !core.workers().workers().contains(peer)) {
    for (auto& event : late->events) event.token = 'z';
  }
  if (const auto* const hello = std::get_if<messages::WorkerHello>(&message)) {
    handle([&] { return core.on_hello(peer, *hello, now_); });
  } else if (const auto* const beat = std::get_if<messages::WorkerBeat>(&message)) {
    handle([&] { return core.on_beat(peer, *beat, now_); });
  } else if (const auto* const frame = std::get_if<messages::TokenFrame>(&message)) {
    handle([&] { return core.on_tokens(peer, *frame, now_); });
  } else {
    handle([&] { return core.on_released(peer, std::get<messages::Released>(message), now_); });
  }
}

void Simulator::deliver_to_worker(Process& process) {
  if (!process.worker || process.hung || process.to_worker.empty()) return;
  const auto [number, message] = std::move(process.to_worker.front());
  process.to_worker.pop_front();
  if (!follows(process.numbers, {}, number) && !options_.losses_unnoticed) {
    process.worker->start_over();
  }
  send(process, process.worker->take(message));
}

// The next messages of one way are lost, and nobody is told. Each has its number (actors/link/
// frame_numbers.hpp), so the one after them shows that.
void Simulator::lose_messages(Process& process) {
  if (!process.worker) return;
  ++seen_.losses;
  const bool to_worker = roll(2) == 0;
  for (std::uint32_t left = 1 + roll(4); left > 0; --left) {
    if (to_worker && !process.to_worker.empty()) process.to_worker.pop_front();
    if (!to_worker && !process.to_front.empty()) process.to_front.pop_front();
  }
}

void Simulator::send(Process& process, std::vector<ToFront> messages) {
  const SimulatedWorker& worker = *process.worker;
  for (ToFront& message : messages) {
    std::string number = next_number(process.numbers, {}, worker.hello().generation);
    process.to_front.push_back({worker.peer(), std::move(number), std::move(message)});
  }
}

void Simulator::send(const std::string& peer, ToWorker message) {
  for (Process& process : processes_) {
    if (!process.worker || process.worker->peer() != peer) continue;
    process.to_worker.emplace_back(next_number(front_.numbers, peer, epoch_), std::move(message));
  }
}

}  // namespace troupe::tests

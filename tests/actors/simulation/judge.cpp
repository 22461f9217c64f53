// What the simulator holds true of every work item, token, chunk and moment.
#include <algorithm>

#include "tests/actors/simulation/simulator.hpp"

namespace troupe::tests {

using namespace actors;
using messages::ChunkKind;
using messages::FailureCode;

// What must hold of every work item.
void Simulator::hand_over(const std::string& peer, const messages::WorkItem& item) {
  Client& client = clients_.at(item.request_id);
  const bool told = std::ranges::none_of(front_.finished, [&](const auto& finished) {
    return finished.request_id == item.request_id;
  });
  expect(!client.ended || !told, "work for a request that has ended");
  expect(item.attempt > client.attempt, "an attempt is given out twice");
  client.attempt = item.attempt;
  const auto& produced = item.produced_tokens;
  const bool whole =
      !produced.empty() && finish_of(produced, item.sampling) != messages::FinishReason::kNone;
  expect(!whole, "work beyond the last token");
  // A suspect on trial has a worker to itself that nobody else may have.
  if (!front_.dispatcher->is_suspect(item.request_id)) judge_order(peer, item);
}

// The more urgent one goes first, which time makes everybody; of equally urgent ones who was
// resumed before who has not run yet.
void Simulator::judge_order(const std::string& peer, const messages::WorkItem& item) {
  static constexpr Time kLevel{2'000'000};
  const dispatch::Worker& worker = front_.dispatcher->workers().workers().at(peer);
  const auto level = [this](const Client& client) {
    return static_cast<std::int64_t>(client.request.priority) - (now_ - client.arrived) / kLevel;
  };
  const std::int64_t own = level(clients_.at(item.request_id));
  for (const auto& [id, other] : clients_) {
    const dispatch::LedgerEntry* entry = front_.dispatcher->ledger_entry(id);
    const bool waits = entry != nullptr && !entry->running() && !other.ended;
    if (!waits || front_.dispatcher->is_suspect(id) || worker.holds.contains(id)) continue;
    const std::string overtakes =
        std::to_string(item.request_id) + " overtakes " + std::to_string(id) + ", which ";
    expect(own <= level(other), overtakes + "is more urgent");
    const bool jumps = item.attempt == 1 && entry->attempt > 1 && id < item.request_id;
    expect(!jumps || own != level(other), "newcomer " + overtakes + "was resumed");
  }
}

bool Simulator::is_late(const Client& client) const {
  const auto allowed = std::chrono::milliseconds(client.request.deadline_ms);
  return allowed.count() != 0 && now_ - client.arrived >= allowed;
}

// After the front's beat nobody waits beyond its deadline.
void Simulator::judge_deadlines() {
  for (const auto& [id, client] : clients_) {
    const bool open = front_.dispatcher->ledger_entry(id) != nullptr && !client.ended;
    expect(!open || !is_late(client), "a request outlives its deadline");
  }
}

// There is room for all answers of a call, or for none.
void Simulator::judge_call(std::uint64_t request_id) {
  const messages::TokenizedRequest& request = clients_.at(request_id).request;
  if (request.call_size <= 1) return;
  bool accepted = false;
  bool refused = false;
  for (std::uint32_t i = 0; i < request.call_size; ++i) {
    accepted |= clients_.at(request.call_first + i).accepted;
    refused |= clients_.at(request.call_first + i).refused;
  }
  expect(!accepted || !refused, "a part of a call is refused");
}

// A worker's token says itself for which place it was computed.
void Simulator::judge_token(const messages::TokenEvent& event) {
  const Place place = place_of(event);
  const bool current = place.front_epoch == epoch_ && place.attempt == event.attempt;
  expect(current, "the journal takes a token of an attempt that is over");
  expect(!clients_.at(event.request_id).cut, "the journal takes a token of a cancelled request");
  expect(place.position >= event.position, "the journal takes a token twice");
  expect(place.position <= event.position, "the journal lacks a token");
}

void Simulator::take(const aggregate::Replies& replies) {
  for (const auto& chunk : replies.chunks) take_chunk(chunk);
  for (const auto& finished : replies.finished) front_.finished.push_back(finished);
}

// The client's side.
void Simulator::take_chunk(const messages::ReplyChunk& chunk) {
  Client& client = clients_.at(chunk.request_id);
  if (chunk.kind == ChunkKind::kAccepted) {
    client.accepted = true;
    judge_call(chunk.request_id);
  }
  if (chunk.kind != ChunkKind::kError) {
    expect(chunk.text_offset == client.text.size(), "a chunk does not follow the one before");
    client.text += chunk.text;
    client.tokens = chunk.token_end;
    expect(client.expected.text.starts_with(client.text), "a token differs from the oracle's");
  }
  if (chunk.kind == ChunkKind::kFinal || chunk.kind == ChunkKind::kError) judge_end(chunk, client);
}

void Simulator::judge_end(const messages::ReplyChunk& chunk, Client& client) {
  // Dispatch had not heard of the end yet, or has handled the request once more after it was
  // refused. The gateway has no open request of this id any more.
  const bool is_error = chunk.kind == ChunkKind::kError;
  const bool too_late = is_error && chunk.failure.code == FailureCode::kDeadline;
  const bool refused_again =
      is_error && chunk.failure.code == FailureCode::kOverload && client.refused;
  if (client.ended && (too_late || refused_again)) return;
  expect(!client.ended, "a request ends twice");
  client.ended = true;
  if (chunk.kind == ChunkKind::kError) {
    const FailureCode code = chunk.failure.code;
    const bool guilty = code == FailureCode::kQuarantined && client.poison;
    seen_.quarantined += guilty ? 1U : 0U;
    const bool late = code == FailureCode::kDeadline && is_late(client);
    seen_.deadlines += late ? 1U : 0U;
    client.cut = late || (code == FailureCode::kCancelled && client.cancelled);
    client.refused = code == FailureCode::kOverload;
    seen_.refused_calls += client.refused && client.request.call_size > 1 ? 1U : 0U;
    expect(guilty || client.cut || client.refused,
           "a request ends with an error: " + chunk.failure.message);
    judge_call(chunk.request_id);
    return;
  }
  expect(client.text == client.expected.text, "an answer is cut short");
  expect(chunk.finish == client.expected.finish, "an answer ends for another reason");
  expect(chunk.produced_tokens == client.expected.tokens, "an answer has another length");
}

void Simulator::check_promises() {
  for (const auto& [id, client] : clients_) {
    const bool promised = client.accepted && !client.ended;
    const bool known = front_.dispatcher->ledger_entry(id) != nullptr;
    expect(!promised || known, "a front promised what its ledger lacks");
  }
}

void Simulator::check() {
  expect(front_.dispatcher->snapshot().conservation_error() == 0, "requests are not conserved");
  for (const Process& process : processes_) {
    if (!process.worker) continue;
    expect(process.worker->unreleased() <= kSequences, "a worker holds more than its credit");
  }
}

void Simulator::expect(bool held, const std::string& what) {
  if (held || !fault_.empty() || what.find(options_.only) == std::string::npos) return;
  fault_ = "seed " + std::to_string(options_.seed) + ", step " + std::to_string(seen_.steps) +
           ": " + what;
}

}  // namespace troupe::tests

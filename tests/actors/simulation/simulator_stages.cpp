// Stages of the front that throw between two messages: another incarnation takes their place, as
// dispatch_actor.cpp and aggregate_actor.cpp do it.
#include <algorithm>
#include <utility>

#include "actors/gateway/repeated_chunk.hpp"
#include "tests/actors/simulation/simulator.hpp"

namespace troupe::tests {

using namespace actors;

void Simulator::restart_aggregate() {
  ++seen_.stage_restarts;
  front_.aggregator = std::make_unique<aggregate::Aggregator>(tokenizer_);
  for (const auto& one : front_.keeper->open(*front_.dispatcher)) tell_again(one);
}

void Simulator::restart_dispatch() {
  constexpr std::uint32_t kAttemptsOfALife = 1U << 16;
  ++seen_.stage_restarts;
  ++front_.lives;
  unjournaled_.reset();
  dispatch::Handover handover = front_.dispatcher->hand_over();
  const std::vector<std::string> peers = handover.peers;
  const std::vector<dispatch::RestoredRequest> left = front_.ledger->fold();
  handover.totals.accepted -= static_cast<std::uint64_t>(
      std::ranges::count_if(left, [](const auto& one) { return !one.end; }));
  front_.dispatcher = std::make_unique<dispatch::Dispatcher>(dispatcher_options());
  front_.dispatcher->take_over(std::move(handover));
  std::vector<dispatch::KeptEnd> ended;
  for (const dispatch::RestoredRequest& one : left) {
    if (one.end) {
      ended.push_back(dispatch::end_of(one));
      continue;
    }
    dispatch::RestoredEntry restored = dispatch::entry_of(one);
    restored.entry.attempt += front_.lives * kAttemptsOfALife;
    restored.entry.end_proposed =
        !one.events.empty() && one.events.back().finish != messages::FinishReason::kNone;
    front_.dispatcher->restore(std::move(restored));
  }
  front_.keeper =
      std::make_unique<dispatch::LedgerKeeper>(front_.ledger, kEndedKept, std::move(ended));
  for (const dispatch::RestoredRequest& one : left) tell_again(one);
  dispatch::Effects introductions;
  for (const std::string& peer : peers) {
    introductions.welcomes.push_back({peer, {.front_epoch = epoch_, .introduce = true}});
  }
  emit(introductions);
  check_promises();
}

// To aggregate; the gateway drops what the client has.
void Simulator::tell_again(const dispatch::RestoredRequest& one) {
  Client& client = clients_.at(one.request.request_id);
  const auto take_new = [&](aggregate::Replies replies) {
    std::erase_if(replies.chunks, [&](const messages::ReplyChunk& chunk) {
      return client.ended || gateway::is_repeated(chunk, client.accepted, client.tokens);
    });
    take(replies);
  };
  if (one.end && one.end->failed) take_new(front_.aggregator->on_failure(one.end->failure));
  if (one.end) return;
  take_new(front_.aggregator->on_plan(dispatch::plan_of(one.request)));
  for (const messages::TokenEvent& event : one.events) {
    take_new(front_.aggregator->on_tokens({{event}}));
  }
}

}  // namespace troupe::tests

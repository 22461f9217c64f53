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

void Simulator::restart_dispatch(dispatch::StageHandover handover) {
  ++seen_.stage_restarts;
  unjournaled_.reset();
  handover.core = front_.dispatcher->hand_over();
  handover.ended = front_.keeper->kept();
  dispatch::DispatchRestart next = dispatch::restart_dispatch(dispatcher_options(),
                                                              front_.ledger,
                                                              kEndedKept,
                                                              std::move(handover),
                                                              front_.tally,
                                                              ++front_.lives,
                                                              now_);
  *front_.dispatcher = std::move(next.core);
  *front_.keeper = std::move(next.keeper);
  for (const messages::Failure& failure : next.failures) {
    if (!clients_.at(failure.request_id).ended) take(front_.aggregator->on_failure(failure));
  }
  for (const dispatch::RestoredRequest& one : next.open) tell_again(one);
  dispatch::Effects introductions;
  for (const std::string& peer : next.peers) {
    introductions.welcomes.push_back({peer, {.front_epoch = epoch_, .introduce = true}});
  }
  emit(introductions);
  check_promises();
}

// An input of dispatch, as its cell handles it: once more if it throws.
void Simulator::handle(const std::function<dispatch::Effects()>& input,
                       std::optional<dispatch::InHand> in_hand) {
  const bool throws = std::exchange(throws_soon_, false) && !dies_soon_;
  const dispatch::Effects effects = input();
  if (!throws) return perform(effects);
  throw_midway(effects, std::move(in_hand));
  if (!options_.message_dropped_on_throw) perform(input());
}

void Simulator::handle_request(const messages::TokenizedRequest& request) {
  handle(
      [&] {
        const std::uint64_t id = request.request_id;
        const bool known =
            front_.dispatcher->ledger_entry(id) != nullptr || front_.keeper->has_ended(id);
        return known ? dispatch::Effects{} : front_.dispatcher->on_request(request, now_);
      },
      front_.dispatcher->before(request));
}

// The core has changed; perhaps the ledger is written; perhaps a part is sent.
void Simulator::throw_midway(const dispatch::Effects& effects,
                             std::optional<dispatch::InHand> in_hand) {
  ++seen_.thrown_midway;
  dispatch::StageHandover handover{.core = {},
                                   .ended = {},
                                   .suspects = {},
                                   .in_hand = std::move(in_hand),
                                   .untold = effects.failures,
                                   .uncounted = {}};
  const std::uint32_t place = roll(3);
  if (place > 0) {
    for (const auto& event : effects.journaled.events) judge_token(event);
    journal(effects);
  } else {
    for (const auto& ended : effects.ended) handover.uncounted.push_back(ended.ending);
  }
  if (place > 1) {
    emits_left_ = roll(4);
    emit(effects);
    emits_left_.reset();
  }
  restart_dispatch(std::move(handover));
}

// To aggregate; the gateway drops what the client has.
void Simulator::tell_again(const dispatch::RestoredRequest& one) {
  Client& client = clients_.at(one.request.request_id);
  const auto take_new = [&](aggregate::Replies replies) {
    std::erase_if(replies.chunks, [&](const messages::ReplyChunk& chunk) {
      if (options_.replay_unfiltered) return false;
      return client.ended || gateway::is_repeated(chunk, client.accepted, client.tokens);
    });
    take(replies);
  };
  take_new(front_.aggregator->on_plan(dispatch::plan_of(one.request)));
  for (const messages::TokenEvent& event : one.events) {
    take_new(front_.aggregator->on_tokens({{event}}));
  }
}

}  // namespace troupe::tests

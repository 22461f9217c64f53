#include "actors/aggregate/aggregate_actor.hpp"

#include <set>
#include <utility>
#include <vector>

#include "actors/aggregate/chunk_frames.hpp"

namespace troupe::actors::aggregate {
namespace {

constexpr const char* kBroken = "a message about this answer failed twice in aggregate";

void send(const AggregateLinks& links, Replies replies) {
  for (const auto& frame : into_frames(std::move(replies.chunks))) links.to_gateway.send(frame);
  for (const auto& finished : replies.finished) links.to_dispatch.send(finished);
}

std::vector<std::uint64_t> requests_of(const messages::JournaledTokens& tokens) {
  std::set<std::uint64_t> ids;
  for (const messages::TokenEvent& event : tokens.events) ids.insert(event.request_id);
  return {ids.begin(), ids.end()};
}

caf::behavior handlers(const std::shared_ptr<Aggregator>& core, const AggregateLinks& links) {
  return {
      [core, links](const messages::ReplyPlan& plan) { send(links, core->on_plan(plan)); },
      [core, links](const messages::JournaledTokens& tokens) {
        send(links, core->on_tokens(tokens));
      },
      [core, links](const messages::Failure& failure) { send(links, core->on_failure(failure)); },
  };
}

caf::behavior give_up(const std::shared_ptr<Aggregator>& core, const AggregateLinks& links) {
  const auto break_off = [core, links](const std::vector<std::uint64_t>& ids) {
    send(links, core->break_off(ids, kBroken));
  };
  return {
      [=](const messages::ReplyPlan& plan) { break_off({plan.request_id}); },
      [=](const messages::JournaledTokens& tokens) { break_off(requests_of(tokens)); },
      [=](const messages::Failure& failure) { break_off({failure.request_id}); },
  };
}

}  // namespace

supervision::StageSpec aggregate_stage(std::shared_ptr<Aggregator> first,
                                       std::shared_ptr<const model::Tokenizer> tokenizer,
                                       AggregateLinks links) {
  const auto make = [=, first = std::move(first)](caf::event_based_actor*,
                                                  std::uint32_t lives) mutable {
    std::shared_ptr<Aggregator> core = std::exchange(first, nullptr);
    if (!core) {
      core = std::make_shared<Aggregator>(tokenizer, links.probe);
      links.to_dispatch.send(messages::ReplayRequest{.lives = lives});
    }
    return supervision::Incarnation{handlers(core, links), give_up(core, links)};
  };
  return {.name = "aggregate", .make = make, .tick = {}, .at_exit = {}, .before = {}};
}

}  // namespace troupe::actors::aggregate

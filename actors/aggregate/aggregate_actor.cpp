#include "actors/aggregate/aggregate_actor.hpp"

#include <utility>

#include "actors/aggregate/chunk_frames.hpp"
#include "actors/link/stage_actor.hpp"

namespace troupe::actors::aggregate {

caf::behavior aggregate_actor(caf::event_based_actor* self,
                              std::shared_ptr<Aggregator> core,
                              link::Sender to_gateway,
                              link::Sender to_dispatch) {
  link::name_exceptions(self);
  const auto send = [to_gateway, to_dispatch](Replies replies) {
    for (const auto& frame : into_frames(std::move(replies.chunks))) to_gateway.send(frame);
    for (const auto& finished : replies.finished) to_dispatch.send(finished);
  };
  return {
      [core, send](const messages::ReplyPlan& plan) { send(core->on_plan(plan)); },
      [core, send](const messages::JournaledTokens& tokens) { send(core->on_tokens(tokens)); },
      [core, send](const messages::Failure& failure) { send(core->on_failure(failure)); },
  };
}

}  // namespace troupe::actors::aggregate

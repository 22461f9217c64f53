#include "actors/aggregate/aggregate_actor.hpp"

#include <iterator>
#include <utility>
#include <vector>

#include "actors/link/stage_actor.hpp"

namespace troupe::actors::aggregate {
namespace {

// A chunk with the log-probabilities of twenty alternatives has under 4 KiB, so that a frame stays
// far below config::kFrameBytesMax.
constexpr std::size_t kChunksPerFrame = 512;

void send_chunks(const link::Sender& to_gateway, std::vector<messages::ReplyChunk> chunks) {
  while (chunks.size() > kChunksPerFrame) {
    const auto end = chunks.begin() + kChunksPerFrame;
    to_gateway.send(
        messages::ReplyChunks{{std::move_iterator(chunks.begin()), std::move_iterator(end)}});
    chunks.erase(chunks.begin(), end);
  }
  if (!chunks.empty()) to_gateway.send(messages::ReplyChunks{std::move(chunks)});
}

}  // namespace

caf::behavior aggregate_actor(caf::event_based_actor* self,
                              std::shared_ptr<Aggregator> core,
                              link::Sender to_gateway,
                              link::Sender to_dispatch) {
  link::name_exceptions(self);
  const auto send = [to_gateway, to_dispatch](Replies replies) {
    send_chunks(to_gateway, std::move(replies.chunks));
    for (const auto& finished : replies.finished) to_dispatch.send(finished);
  };
  return {
      [core, send](const messages::ReplyPlan& plan) { send(core->on_plan(plan)); },
      [core, send](const messages::JournaledTokens& tokens) { send(core->on_tokens(tokens)); },
      [core, send](const messages::Failure& failure) { send(core->on_failure(failure)); },
  };
}

}  // namespace troupe::actors::aggregate

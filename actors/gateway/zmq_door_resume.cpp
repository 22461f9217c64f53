// The ZeroMQ door's second chances: answers that go on, or are given again, after a connection or a
// front was lost.
#include "actors/gateway/failure_reply.hpp"
#include "actors/gateway/zmq_door.hpp"

namespace troupe::actors::gateway {
namespace {

namespace client = messages::client;
using messages::Failure;

bool is_worth_sending(const client::Chunk& chunk) {
  return !chunk.text.empty() || !chunk.tokens.empty();
}

}  // namespace

// The answer goes on where the client lost it; nothing runs twice.
void ZmqDoor::resume(const Input& input, const client::Generate& generate, Request& request) {
  if (generate.resume_from > request.emitted.size()) {
    const Failure beyond =
        invalid("resume_from is beyond the " + std::to_string(request.emitted.size()) +
                " bytes that were sent; the request was cancelled");
    input.effects.emplace_back(messages::CancelRequest{.request_id = request.request_id});
    send_error(input.peer, generate.id, beyond, input.effects);
    return close({input.peer, generate.id}, {.finish = "invalid"}, input.now, input.effects);
  }
  request.detached = false;
  if (!request.accepted) return;  // `accepted` is still to come
  send(input.peer, client::Accepted{.id = generate.id}, input.effects);
  if (!request.stream) return;
  client::Chunk missed = request.emitted.from(generate.resume_from);
  missed.id = generate.id;
  if (is_worth_sending(missed)) send(input.peer, missed, input.effects);
}

// The request has ended, and its client may not have heard it all.
void ZmqDoor::repeat(const Input& input, const client::Generate& generate) {
  const EndedAnswer& ended = *ended_.find({input.peer, generate.id});
  if (generate.resume_from > ended.emitted.size()) {
    return send_error(input.peer,
                      generate.id,
                      invalid("resume_from is beyond the " + std::to_string(ended.emitted.size()) +
                              " bytes of the answer"),
                      input.effects);
  }
  send(input.peer, client::Accepted{.id = generate.id}, input.effects);
  client::Chunk missed = ended.emitted.from(ended.stream ? generate.resume_from : 0);
  missed.id = generate.id;
  if (is_worth_sending(missed)) send(input.peer, missed, input.effects);
  input.effects.emplace_back(ZmqSend{input.peer, ended.last_frame});
}

void ZmqDoor::restore(const RestoredAnswer& restored, Now now, Effects& effects) {
  const messages::Origin& origin = restored.request.origin;
  Client* sender = find_or_add(origin.peer, now);
  const std::uint64_t request_id = restored.request.request_id;
  if (sender == nullptr || sender->open.contains(origin.id)) {
    effects.emplace_back(messages::CancelRequest{.request_id = request_id});
    return;
  }
  sender->unreachable_ms = now.mono_ms;
  sender->grace_ms = kRestoredGraceMs;
  owners_.emplace(request_id, Owner{origin.peer, origin.id});
  sender->open.emplace(origin.id,
                       Request{.request_id = request_id,
                               .stream = origin.stream,
                               .accepted = true,
                               .detached = true,
                               .opened_ms = now.mono_ms,
                               .emitted = {}});
  for (const messages::ReplyChunk& chunk : restored.chunks) (void)on_chunk(chunk, now, effects);
}

}  // namespace troupe::actors::gateway

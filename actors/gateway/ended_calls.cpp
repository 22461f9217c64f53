// What becomes of an HTTP call that has ended: kept for its key, as long as there is room.
#include "actors/gateway/http_calls.hpp"

namespace troupe::actors::gateway {
namespace {

std::size_t bytes_of(const std::vector<messages::TokenLogprob>& logprobs) {
  std::size_t bytes = logprobs.capacity() * sizeof(messages::TokenLogprob);
  for (const auto& one : logprobs) {
    bytes += one.chosen.bytes.size() + one.top.capacity() * sizeof(one.chosen);
    for (const auto& other : one.top) bytes += other.bytes.size();
  }
  return bytes;
}

}  // namespace

// A call without a key is forgotten at its end; the others when nobody has asked for a while, or
// when later ones need their room.
void HttpCalls::end(CallId id, Call& call, Now now) {
  if (call.key.none()) return forget(id);
  detach(call);
  for (const Answer& answer : call.answers) owners_.erase(answer.request_id);
  if (!call.ended) --open_calls_;
  call.ended = true;
  call.left_ms = now.mono_ms;
  for (const CallId leaving : ended_.add(id, kept_bytes(call))) forget(leaving);
}

std::size_t HttpCalls::kept_bytes(const Call& call) {
  std::size_t bytes = sizeof(Call) + call.answers.capacity() * sizeof(Answer);
  for (const Answer& answer : call.answers) {
    bytes += answer.whole.text.capacity() + bytes_of(answer.whole.logprobs);
    bytes += answer.history.capacity() * sizeof(Piece) + bytes_of(answer.unsent);
    for (const Piece& piece : answer.history) {
      bytes += piece.text.capacity() + bytes_of(piece.logprobs);
    }
  }
  return bytes;
}

}  // namespace troupe::actors::gateway

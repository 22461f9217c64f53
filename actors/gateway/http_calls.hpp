// The open calls of the HTTP door: several answers become one reply, streamed or whole. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/gateway/effects.hpp"
#include "actors/gateway/openai_call.hpp"
#include "actors/gateway/openai_reply.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::actors::gateway {

class HttpCalls {
 public:
  // `request_ids` [prompts × n], prompt by prompt: the ids that the answers will come under.
  void open(ConnectionId connection,
            const ParsedCall& call,
            std::vector<std::uint64_t> request_ids,
            ReplyHead head,
            Now now);

  // False when no open call waits for this answer.
  bool on_chunk(const messages::ReplyChunk& chunk, Now now, Effects& effects);

  // The client went away: cancels what is open for it.
  void on_gone(ConnectionId connection, Effects& effects);

  // A comment line into every stream that was silent for too long.
  void on_tick(Now now, Effects& effects);

  // Ends every call with `error`.
  void fail_all(const ApiError& error, Effects& effects);

  std::size_t open_calls() const { return calls_.size(); }

  std::size_t open_answers() const { return connections_.size(); }

 private:
  struct Answer {
    std::uint64_t request_id = 0;
    bool accepted = false;
    std::uint64_t text_end = 0;    // UTF-8 bytes so far
    std::uint64_t characters = 0;  // of its tokens so far, counted when log-probabilities are
    std::uint32_t prompt_tokens = 0;
    std::uint32_t produced_tokens = 0;
    std::uint32_t cached_tokens = 0;  // of the prompt
    WholeAnswer whole;                // its text only when the call is not streamed
  };

  struct Call {
    ReplyHead head;
    bool stream = false;
    std::uint32_t n = 1;
    std::vector<Answer> answers;  // [prompts × n]
    std::string held;             // events that wait for the head, or for the end of this input
    bool head_sent = false;
    std::int64_t opened_ms = 0;
    std::int64_t first_token_ms = -1;
    std::int64_t written_ms = 0;
  };

  void take(Call& call, Answer& answer, const messages::ReplyChunk& chunk);
  void take_text(Call& call, Answer& answer, const messages::ReplyChunk& chunk);
  void flush(ConnectionId connection, Call& call, Now now, Effects& effects);
  void finish(ConnectionId connection, Call& call, Effects& effects);
  static CallNote note_of(const Call& call, std::string finish);
  void fail(ConnectionId connection, Call& call, const ApiError& error, Effects& effects);
  static void cancel_open(const Call& call, Effects& effects);
  void forget(ConnectionId connection);

  std::unordered_map<ConnectionId, Call> calls_;
  std::unordered_map<std::uint64_t, ConnectionId>
      connections_;  // by request id, unfinished answers
};

}  // namespace troupe::actors::gateway

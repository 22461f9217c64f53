// The open calls of the HTTP door: several answers become one reply, streamed or whole. A call with
// an Idempotency-Key outlives its connection. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/gateway/effects.hpp"
#include "actors/gateway/ended_budget.hpp"
#include "actors/gateway/openai_call.hpp"
#include "actors/gateway/openai_reply.hpp"
#include "actors/gateway/restored_answer.hpp"
#include "config/limits.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::actors::gateway {

// What makes a repeated POST the same call.
struct CallKey {
  std::string caller;  // whose key it is
  std::string key;     // empty: none, the call ends with its connection
  std::string digest;  // of endpoint and body

  bool none() const { return key.empty(); }
};

class HttpCalls {
 public:
  explicit HttpCalls(std::int64_t resume_grace_ms,
                     CallProbe probe = {},
                     std::size_t ended_bytes_max = config::kEndedBytesMax)
      : resume_grace_ms_(resume_grace_ms), probe_(std::move(probe)), ended_(ended_bytes_max) {}

  // `request_ids` [prompts × n], prompt by prompt: the ids that the answers will come under.
  void open(ConnectionId connection,
            const ParsedCall& call,
            std::vector<std::uint64_t> request_ids,
            ReplyHead head,
            CallKey key,
            Now now);

  // Goes on with the call of this key on a new connection, behind the event `last_event_id` (empty:
  // from the start). False when no call has the key.
  bool resume(ConnectionId connection,
              const CallKey& key,
              const std::string& last_event_id,
              Now now,
              Effects& effects);

  // A call of the front before this one, whose answers these are, all with the same key.
  void restore(const std::vector<RestoredAnswer>& answers,
               ReplyHead head,
               Now now,
               Effects& effects);

  // False when no open call waits for this answer.
  bool on_chunk(const messages::ReplyChunk& chunk, Now now, Effects& effects);

  // Ends the call of this answer, or of this connection, with `error`. False when there is none.
  bool abandon(std::uint64_t request_id, const ApiError& error, Now now, Effects& effects);
  bool abandon_connection(ConnectionId connection,
                          const ApiError& error,
                          Now now,
                          Effects& effects);

  // The client went away: cancels what is open for it, unless it has a key to come back with.
  void on_gone(ConnectionId connection, Now now, Effects& effects);

  // A comment line into every stream that was silent for too long; the end of calls that nobody
  // came back for. An exception over one call ends it with `error` and says so in `broken`.
  void on_tick(const ApiError& error, Now now, Effects& effects, std::string& broken);

  // Ends every call with `error`.
  void fail_all(const ApiError& error, Now now, Effects& effects);

  bool knows(ConnectionId connection) const { return connections_.contains(connection); }

  // That have not ended.
  std::size_t open_calls() const { return open_calls_; }

  std::size_t open_answers() const { return owners_.size(); }

 private:
  using CallId = std::uint64_t;  // the first of its request ids

  // A piece of a stream that may have to be sent again.
  struct Piece {
    std::string text;
    std::vector<messages::TokenLogprob> logprobs;
    std::uint64_t characters_before = 0;
    std::uint64_t text_end = 0;
  };

  struct Answer {
    std::uint64_t request_id = 0;
    bool accepted = false;
    std::uint32_t tokens = 0;      // so far
    std::uint64_t text_end = 0;    // UTF-8 bytes so far
    std::uint64_t characters = 0;  // of its tokens so far, counted when log-probabilities are
    std::uint32_t prompt_tokens = 0;
    std::uint32_t produced_tokens = 0;
    std::uint32_t cached_tokens = 0;  // of the prompt
    bool resumed_inexact = false;
    WholeAnswer whole;                           // its text only when the call is not streamed
    std::vector<Piece> history;                  // of a stream with a key
    std::vector<messages::TokenLogprob> unsent;  // of its last tokens, which gave no text yet
  };

  struct Call {
    ReplyHead head;
    CallKey key;
    bool stream = false;
    std::uint32_t n = 1;
    std::vector<Answer> answers;             // [prompts × n]
    std::optional<ConnectionId> connection;  // none: its client is away, or has had it all
    std::string held;  // events that wait for the head, or for the end of this input
    bool head_sent = false;
    bool ended = false;               // kept for its key
    std::optional<ApiError> failure;  // with `ended`
    std::int64_t left_ms = 0;         // when its last connection left, or it ended
    std::int64_t opened_ms = 0;
    std::int64_t first_token_ms = -1;
    std::int64_t written_ms = 0;
  };

  Call& add(std::vector<std::uint64_t> request_ids, ReplyHead head, CallKey key, Now now);
  void attach(CallId id, Call& call, ConnectionId connection);
  void detach(Call& call);
  void take(Call& call, Answer& answer, const messages::ReplyChunk& chunk);
  void take_text(Call& call, Answer& answer, const messages::ReplyChunk& chunk);
  static std::string end_event(const Call& call, const Answer& answer);
  void replay(Call& call, const std::vector<std::uint64_t>& offsets, bool from_start);
  void flush(CallId id, Call& call, Now now, Effects& effects);
  void finish(CallId id, Call& call, Now now, Effects& effects);
  static CallNote note_of(const Call& call, std::string finish);
  void fail(CallId id, Call& call, const ApiError& error, Now now, Effects& effects);
  void fail_surely(CallId id, const ApiError& error, Now now, Effects& effects);
  void end(CallId id, Call& call, Now now);
  static std::size_t kept_bytes(const Call& call);
  static void cancel_open(const Call& call, Effects& effects);
  void tick(CallId id, Now now, Effects& effects);
  void forget(CallId id);
  void forget_key(CallId id, const Call& call);

  std::int64_t resume_grace_ms_;
  CallProbe probe_;
  std::map<CallId, Call> calls_;
  std::unordered_map<ConnectionId, CallId> connections_;
  std::unordered_map<std::uint64_t, CallId> owners_;            // by request id, unfinished answers
  std::map<std::pair<std::string, std::string>, CallId> keys_;  // by caller and key
  EndedBudget ended_;
  std::size_t open_calls_ = 0;
};

}  // namespace troupe::actors::gateway

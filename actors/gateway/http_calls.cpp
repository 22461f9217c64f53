#include "actors/gateway/http_calls.hpp"

#include <algorithm>
#include <functional>

#include "actors/gateway/event_id.hpp"
#include "actors/gateway/repeated_chunk.hpp"
#include "config/check.hpp"
#include "config/limits.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::ChunkKind;
using messages::FinishReason;

const HttpResponse& event_stream_head() {
  // X-Accel-Buffering: nginx would otherwise collect the events.
  static const HttpResponse head{
      .content_type = "text/event-stream; charset=utf-8",
      .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
  return head;
}

// A prompt is read once however many answers it gets.
template <class Answers>
TokenCounts counts_of(const Answers& answers, std::uint32_t n) {
  TokenCounts counts;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i % n == 0) {
      counts.prompt += answers[i].prompt_tokens;
      counts.cached += answers[i].cached_tokens;
    }
    counts.completion += answers[i].produced_tokens;
  }
  return counts;
}

ApiError conflict(std::string message) {
  return {.status = 409, .message = std::move(message), .code = "conflict"};
}

}  // namespace

void HttpCalls::open(ConnectionId connection,
                     const ParsedCall& parsed,
                     std::vector<std::uint64_t> request_ids,
                     ReplyHead head,
                     CallKey key,
                     Now now) {
  CHECK(!request_ids.empty(), "a call has at least one answer");
  const CallId id = request_ids.front();
  Call& call = add(std::move(request_ids), std::move(head), std::move(key), now);
  call.stream = parsed.stream;
  call.n = parsed.n;
  attach(id, call, connection);
}

HttpCalls::Call& HttpCalls::add(std::vector<std::uint64_t> request_ids,
                                ReplyHead head,
                                CallKey key,
                                Now now) {
  const CallId id = request_ids.front();
  Call call{.head = std::move(head),
            .key = std::move(key),
            .answers = {},
            .held = {},
            .left_ms = now.mono_ms,
            .opened_ms = now.mono_ms,
            .written_ms = now.mono_ms};
  for (const std::uint64_t request_id : request_ids) {
    Answer answer{.request_id = request_id};
    answer.whole.index = static_cast<std::uint32_t>(call.answers.size());
    call.answers.push_back(std::move(answer));
    owners_.emplace(request_id, id);
  }
  call.head.offsets.assign(call.answers.size(), 0);
  if (!call.key.none()) keys_[{call.key.caller, call.key.key}] = id;
  ++open_calls_;
  return calls_.insert_or_assign(id, std::move(call)).first->second;
}

void HttpCalls::attach(CallId id, Call& call, ConnectionId connection) {
  const bool inserted = connections_.emplace(connection, id).second;
  CHECK(inserted, "a connection asks for one thing at a time");
  call.connection = connection;
  call.head_sent = false;
  call.held.clear();
}

void HttpCalls::detach(Call& call) {
  if (call.connection) connections_.erase(*call.connection);
  call.connection.reset();
  call.head_sent = false;
  call.held.clear();
}

bool HttpCalls::resume(ConnectionId connection,
                       const CallKey& key,
                       const std::string& last_event_id,
                       Now now,
                       Effects& effects) {
  const auto known = keys_.find({key.caller, key.key});
  if (known == keys_.end()) return false;
  const CallId id = known->second;
  Call& call = calls_.at(id);
  const auto refuse = [&](const ApiError& error) {
    effects.emplace_back(HttpRespond{connection, error_response(error), {.finish = "invalid"}});
    return true;
  };
  if (call.key.digest != key.digest) {
    return refuse({.status = 422,
                   .message = "this Idempotency-Key came with another request: use a new key",
                   .param = "Idempotency-Key",
                   .code = "key_reused"});
  }
  const auto offsets = read_event_id(last_event_id, call.head.id, call.answers.size());
  const auto sent = [&] {
    return std::ranges::equal(*offsets, call.answers, std::less_equal<>{}, {}, &Answer::text_end);
  };
  if (!offsets || !sent()) {
    return refuse({.message = "Last-Event-ID is not the id of an event of this stream",
                   .param = "Last-Event-ID",
                   .code = "invalid_value"});
  }
  if (call.connection) {
    // The client is on its new connection; whoever still holds the old one gets no more.
    const ApiError error = conflict("the call goes on over another connection");
    if (call.head_sent) {
      effects.emplace_back(
          HttpStreamWrite{*call.connection, error_event(error) + std::string(kDoneEvent)});
      effects.emplace_back(HttpStreamEnd{*call.connection, note_of(call, "resumed")});
    } else {
      effects.emplace_back(HttpRespond{*call.connection, error_response(error), {}});
    }
  }
  detach(call);
  attach(id, call, connection);
  replay(call, *offsets, last_event_id.empty());
  if (call.failure) {
    // The text before the failure first: its client paid for it.
    call.head_sent = !call.held.empty();
    if (call.head_sent) effects.emplace_back(HttpStreamBegin{connection, event_stream_head()});
    fail(id, call, ApiError(*call.failure), now, effects);
    return true;
  }
  flush(id, call, now, effects);
  return true;
}

// Puts into `held` what the client lacks.
void HttpCalls::replay(Call& call, const std::vector<std::uint64_t>& offsets, bool from_start) {
  if (!call.stream) return;
  call.head.offsets = offsets;
  for (std::size_t i = 0; i < call.answers.size(); ++i) {
    const Answer& answer = call.answers[i];
    const bool chat = call.head.endpoint == Endpoint::kChat;
    if (answer.accepted && chat && from_start)
      call.held += role_event(call.head, answer.whole.index);
    for (const Piece& piece : answer.history) {
      if (piece.text_end <= offsets[i] && !from_start) continue;
      const std::uint64_t begin = piece.text_end - piece.text.size();
      const std::uint64_t had = offsets[i] > begin ? offsets[i] - begin : 0;
      call.held += text_event(call.head,
                              {.index = answer.whole.index,
                               .text = std::string_view(piece.text).substr(had),
                               .logprobs = piece.logprobs,
                               .characters_before = piece.characters_before,
                               .text_end = piece.text_end});
      call.head.offsets[i] = piece.text_end;
    }
    const FinishReason finish = answer.whole.finish;
    if (finish == FinishReason::kNone || finish == FinishReason::kError) continue;
    call.held += end_event(call, answer);
  }
}

void HttpCalls::restore(const std::vector<RestoredAnswer>& answers,
                        ReplyHead head,
                        Now now,
                        Effects& effects) {
  const messages::Origin& origin = answers.front().request.origin;
  std::vector<std::uint64_t> ids;
  for (const RestoredAnswer& answer : answers) ids.push_back(answer.request.request_id);
  Call& call = add(std::move(ids),
                   std::move(head),
                   {.caller = origin.peer, .key = origin.id, .digest = origin.digest},
                   now);
  call.stream = origin.stream;
  call.n = origin.n;
  for (const RestoredAnswer& answer : answers) {
    for (const messages::ReplyChunk& chunk : answer.chunks) (void)on_chunk(chunk, now, effects);
  }
}

bool HttpCalls::on_chunk(const messages::ReplyChunk& chunk, Now now, Effects& effects) {
  const auto found = owners_.find(chunk.request_id);
  if (found == owners_.end()) return false;
  const CallId id = found->second;
  Call& call = calls_.at(id);
  const auto answer = std::ranges::find(call.answers, chunk.request_id, &Answer::request_id);
  if (is_repeated(chunk, answer->accepted, answer->tokens)) return true;
  const bool lost = !chunk.tokens.empty() && chunk.token_begin != answer->tokens;
  if (chunk.kind == ChunkKind::kError || lost) {
    if (!lost) answer->whole.finish = FinishReason::kError;
    fail(id, call, to_api_error(lost ? lost_piece(chunk.request_id) : chunk.failure), now, effects);
    return true;
  }
  answer->tokens += static_cast<std::uint32_t>(chunk.tokens.size());
  if (call.first_token_ms < 0 && chunk.token_end != 0) call.first_token_ms = now.mono_ms;
  take(call, *answer, chunk);
  flush(id, call, now, effects);
  // Last: until here an exception finds the call by this answer, and ends it.
  if (chunk.kind == ChunkKind::kFinal) owners_.erase(chunk.request_id);
  return true;
}

void HttpCalls::take(Call& call, Answer& answer, const messages::ReplyChunk& chunk) {
  if (!answer.accepted && call.stream && call.head.endpoint == Endpoint::kChat) {
    call.held += role_event(call.head, answer.whole.index);
  }
  answer.accepted = true;
  take_text(call, answer, chunk);
  if (chunk.kind != ChunkKind::kFinal) return;
  answer.prompt_tokens = chunk.prompt_tokens;
  answer.produced_tokens = chunk.produced_tokens;
  answer.cached_tokens = chunk.cached_tokens;
  call.head.resumed_inexact |= chunk.resumed_inexact;
  answer.whole.finish = chunk.finish == FinishReason::kNone ? FinishReason::kStop : chunk.finish;
  if (call.stream) call.held += end_event(call, answer);
}

void HttpCalls::take_text(Call& call, Answer& answer, const messages::ReplyChunk& chunk) {
  if (chunk.text.empty() && chunk.logprobs.empty()) return;
  answer.text_end += chunk.text.size();
  if (!call.stream) {
    answer.whole.text += chunk.text;
    std::ranges::copy(chunk.logprobs, std::back_inserter(answer.whole.logprobs));
    return;
  }
  std::ranges::copy(chunk.logprobs, std::back_inserter(answer.unsent));
  // Without text its event would have the id of the one before: nobody could tell, behind that id,
  // whether it was had. So it joins the next text, or the end.
  if (chunk.text.empty() && !call.key.none()) return;
  Piece piece{chunk.text, std::exchange(answer.unsent, {}), answer.characters, answer.text_end};
  call.held += text_event(call.head,
                          {.index = answer.whole.index,
                           .text = piece.text,
                           .logprobs = piece.logprobs,
                           .characters_before = piece.characters_before,
                           .text_end = piece.text_end});
  call.head.offsets[answer.whole.index] = answer.text_end;
  answer.characters += characters_of(piece.logprobs);
  if (!call.key.none()) answer.history.push_back(std::move(piece));
}

std::string HttpCalls::end_event(const Call& call, const Answer& answer) {
  return finish_event(call.head,
                      answer.whole.index,
                      answer.whole.finish,
                      answer.text_end,
                      answer.unsent,
                      answer.characters);
}

// The status is decided by the answer that dispatch refuses, so the head waits until it accepted
// all.
void HttpCalls::flush(CallId id, Call& call, Now now, Effects& effects) {
  if (!std::ranges::all_of(call.answers, &Answer::accepted)) return;
  const auto unfinished = [](const Answer& a) { return a.whole.finish == FinishReason::kNone; };
  const bool ended = std::ranges::none_of(call.answers, unfinished);
  if (ended) return finish(id, call, now, effects);
  if (!call.connection) return call.held.clear();  // its history has it
  if (!call.stream) return;
  if (!call.head_sent) effects.emplace_back(HttpStreamBegin{*call.connection, event_stream_head()});
  if (!call.held.empty()) {
    effects.emplace_back(HttpStreamWrite{*call.connection, std::exchange(call.held, {})});
    call.written_ms = now.mono_ms;
  }
  call.head_sent = true;
}

void HttpCalls::finish(CallId id, Call& call, Now now, Effects& effects) {
  pass(probe_, "finish", id);
  const TokenCounts counts = counts_of(call.answers, call.n);
  const bool cut = call.answers.front().whole.finish == FinishReason::kLength;
  CallNote note = note_of(call, cut ? "length" : "stop");
  if (call.connection && call.stream) {
    const ConnectionId connection = *call.connection;
    if (!call.head_sent) effects.emplace_back(HttpStreamBegin{connection, event_stream_head()});
    if (call.head.include_usage) call.held += usage_event(call.head, counts);
    call.held += kDoneEvent;
    effects.emplace_back(HttpStreamWrite{connection, std::move(call.held)});
    effects.emplace_back(HttpStreamEnd{connection, std::move(note)});
  } else if (call.connection) {
    std::vector<WholeAnswer> answers;
    for (const Answer& answer : call.answers) answers.push_back(answer.whole);
    effects.emplace_back(HttpRespond{
        *call.connection, {.body = whole_reply(call.head, answers, counts)}, std::move(note)});
  }
  end(id, call, now);
}

CallNote HttpCalls::note_of(const Call& call, std::string finish) {
  const TokenCounts counts = counts_of(call.answers, call.n);
  const std::int64_t first_ms = call.first_token_ms - call.opened_ms;
  return {.request_id = call.head.id,
          .prompt_tokens = static_cast<std::uint32_t>(counts.prompt),
          .produced_tokens = static_cast<std::uint32_t>(counts.completion),
          .finish = std::move(finish),
          .first_token_s = call.first_token_ms < 0 ? -1.0 : static_cast<double>(first_ms) * 1e-3};
}

void HttpCalls::on_gone(ConnectionId connection, Now now, Effects& effects) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  const CallId id = found->second;
  Call& call = calls_.at(id);
  if (!call.key.none()) {
    detach(call);
    call.left_ms = now.mono_ms;
    return;
  }
  cancel_open(call, effects);
  forget(id);
}

void HttpCalls::cancel_open(const Call& call, Effects& effects) {
  for (const Answer& answer : call.answers) {
    if (answer.whole.finish == FinishReason::kNone) {
      effects.emplace_back(messages::CancelRequest{.request_id = answer.request_id});
    }
  }
}

// By the key and not by the call: thousands of ended calls may be kept, and one ends with each
// answer.
void HttpCalls::forget_key(CallId id, const Call& call) {
  const auto known = keys_.find({call.key.caller, call.key.key});
  if (known != keys_.end() && known->second == id) keys_.erase(known);
}

void HttpCalls::forget(CallId id) {
  const auto found = calls_.find(id);
  Call& call = found->second;
  for (const Answer& answer : call.answers) owners_.erase(answer.request_id);
  if (call.connection) connections_.erase(*call.connection);
  forget_key(id, call);
  ended_.remove(id);
  if (!call.ended) --open_calls_;
  calls_.erase(found);
}

}  // namespace troupe::actors::gateway

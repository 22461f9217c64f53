#include "actors/gateway/http_calls.hpp"

#include <algorithm>

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

}  // namespace

void HttpCalls::open(ConnectionId connection,
                     const ParsedCall& parsed,
                     std::vector<std::uint64_t> request_ids,
                     ReplyHead head,
                     Now now) {
  CHECK(!request_ids.empty(), "a call has at least one answer");
  Call call{.head = std::move(head),
            .stream = parsed.stream,
            .n = parsed.n,
            .answers = {},
            .held = {},
            .opened_ms = now.mono_ms,
            .written_ms = now.mono_ms};
  for (const std::uint64_t id : request_ids) {
    Answer answer{.request_id = id};
    answer.whole.index = static_cast<std::uint32_t>(call.answers.size());
    call.answers.push_back(std::move(answer));
    connections_.emplace(id, connection);
  }
  const bool inserted = calls_.emplace(connection, std::move(call)).second;
  CHECK(inserted, "a connection asks for one thing at a time");
}

bool HttpCalls::on_chunk(const messages::ReplyChunk& chunk, Now now, Effects& effects) {
  const auto found = connections_.find(chunk.request_id);
  if (found == connections_.end()) return false;
  const ConnectionId connection = found->second;
  Call& call = calls_.at(connection);
  const auto answer = std::ranges::find(call.answers, chunk.request_id, &Answer::request_id);
  if (chunk.kind == ChunkKind::kError) {
    connections_.erase(found);
    answer->whole.finish = FinishReason::kError;
    fail(connection, call, to_api_error(chunk.failure), effects);
    return true;
  }
  if (chunk.kind == ChunkKind::kFinal) connections_.erase(found);
  if (call.first_token_ms < 0 && chunk.token_end != 0) call.first_token_ms = now.mono_ms;
  take(call, *answer, chunk);
  flush(connection, call, now, effects);
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
  answer.whole.finish = chunk.finish == FinishReason::kNone ? FinishReason::kStop : chunk.finish;
  if (call.stream) {
    call.held += finish_event(call.head, answer.whole.index, answer.whole.finish, answer.text_end);
  }
}

void HttpCalls::take_text(Call& call, Answer& answer, const messages::ReplyChunk& chunk) {
  if (chunk.text.empty() && chunk.logprobs.empty()) return;
  answer.text_end += chunk.text.size();
  if (!call.stream) {
    answer.whole.text += chunk.text;
    std::ranges::copy(chunk.logprobs, std::back_inserter(answer.whole.logprobs));
    return;
  }
  call.held += text_event(call.head,
                          {.index = answer.whole.index,
                           .text = chunk.text,
                           .logprobs = chunk.logprobs,
                           .characters_before = answer.characters,
                           .text_end = answer.text_end});
  answer.characters += characters_of(chunk.logprobs);
}

// The status is decided by the answer that dispatch refuses, so the head waits until it accepted
// all.
void HttpCalls::flush(ConnectionId connection, Call& call, Now now, Effects& effects) {
  if (!std::ranges::all_of(call.answers, &Answer::accepted)) return;
  const auto unfinished = [](const Answer& a) { return a.whole.finish == FinishReason::kNone; };
  const bool ended = std::ranges::none_of(call.answers, unfinished);
  if (ended) return finish(connection, call, effects);
  if (!call.stream) return;
  if (!call.head_sent) effects.emplace_back(HttpStreamBegin{connection, event_stream_head()});
  call.head_sent = true;
  if (call.held.empty()) return;
  effects.emplace_back(HttpStreamWrite{connection, std::exchange(call.held, {})});
  call.written_ms = now.mono_ms;
}

void HttpCalls::finish(ConnectionId connection, Call& call, Effects& effects) {
  const TokenCounts counts = counts_of(call.answers, call.n);
  const bool cut = call.answers.front().whole.finish == FinishReason::kLength;
  CallNote note = note_of(call, cut ? "length" : "stop");
  if (call.stream) {
    if (!call.head_sent) effects.emplace_back(HttpStreamBegin{connection, event_stream_head()});
    if (call.head.include_usage) call.held += usage_event(call.head, counts);
    call.held += kDoneEvent;
    effects.emplace_back(HttpStreamWrite{connection, std::move(call.held)});
    effects.emplace_back(HttpStreamEnd{connection, std::move(note)});
  } else {
    std::vector<WholeAnswer> answers;
    for (Answer& answer : call.answers) answers.push_back(std::move(answer.whole));
    effects.emplace_back(HttpRespond{
        connection, {.body = whole_reply(call.head, answers, counts)}, std::move(note)});
  }
  forget(connection);
}

void HttpCalls::fail(ConnectionId connection, Call& call, const ApiError& error, Effects& effects) {
  cancel_open(call, effects);
  if (call.head_sent) {
    std::string end = std::move(call.held) + error_event(error) + std::string(kDoneEvent);
    effects.emplace_back(HttpStreamWrite{connection, std::move(end)});
    effects.emplace_back(HttpStreamEnd{connection, note_of(call, error.code)});
  } else {
    effects.emplace_back(HttpRespond{connection, error_response(error), note_of(call, error.code)});
  }
  forget(connection);
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

void HttpCalls::on_gone(ConnectionId connection, Effects& effects) {
  const auto found = calls_.find(connection);
  if (found == calls_.end()) return;
  cancel_open(found->second, effects);
  forget(connection);
}

void HttpCalls::on_tick(Now now, Effects& effects) {
  for (auto& [connection, call] : calls_) {
    if (!call.head_sent || now.mono_ms - call.written_ms < config::kSsePingInterval.count()) {
      continue;
    }
    effects.emplace_back(HttpStreamWrite{connection, std::string(kPingEvent)});
    call.written_ms = now.mono_ms;
  }
}

void HttpCalls::fail_all(const ApiError& error, Effects& effects) {
  while (!calls_.empty()) {
    const auto first = calls_.begin();
    fail(first->first, first->second, error, effects);
  }
}

void HttpCalls::cancel_open(const Call& call, Effects& effects) {
  for (const Answer& answer : call.answers) {
    if (answer.whole.finish == FinishReason::kNone) {
      effects.emplace_back(messages::CancelRequest{.request_id = answer.request_id});
    }
  }
}

void HttpCalls::forget(ConnectionId connection) {
  const auto found = calls_.find(connection);
  for (const Answer& answer : found->second.answers) connections_.erase(answer.request_id);
  calls_.erase(found);
}

}  // namespace troupe::actors::gateway

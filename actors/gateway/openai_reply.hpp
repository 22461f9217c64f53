// Answers in OpenAI's shapes: server-sent events for streams, one object for whole replies. Pure.
// Sources: OpenAI's API reference; for server-sent events the WHATWG HTML standard, section 9.2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actors/gateway/failure_reply.hpp"
#include "actors/gateway/openai_call.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::actors::gateway {

// What every event and object of one call repeats.
struct ReplyHead {
  Endpoint endpoint = Endpoint::kChat;
  std::string id;            // chatcmpl-… or cmpl-…
  std::int64_t created = 0;  // Unix seconds
  std::string model;
  std::string fingerprint;     // numerics_id of the worker that answers
  bool include_usage = false;  // then every event says `usage`: null, until the last one
  bool with_logprobs = false;
  std::uint32_t answers = 1;
  std::vector<std::uint64_t> offsets = {};  // [answers], UTF-8 bytes of each so far, for event ids
  bool resumed_inexact = false;  // its tokens come from workers that need not compute the same bits
};

struct TokenCounts {
  std::uint64_t prompt = 0;
  std::uint64_t completion = 0;
  std::uint64_t cached = 0;  // of the prompt
};

// A piece of one answer.
struct ReplyPiece {
  std::uint32_t index = 0;  // of the answer in the call
  std::string_view text;
  std::span<const messages::TokenLogprob> logprobs;  // empty unless asked for
  std::uint64_t characters_before = 0;               // of the answer's tokens before this piece
  std::uint64_t text_end = 0;                        // UTF-8 bytes of the answer after this piece
};

// A finished answer.
struct WholeAnswer {
  std::uint32_t index = 0;
  std::string text;
  std::vector<messages::TokenLogprob> logprobs;
  messages::FinishReason finish = messages::FinishReason::kNone;
};

// Every event ends with the empty line that delivers it. Those of answers carry an `id:`
// (event_id.hpp) that says how much of every answer of the call has been sent with it.
std::string role_event(const ReplyHead& head, std::uint32_t index);
std::string text_event(const ReplyHead& head, const ReplyPiece& piece);
std::string finish_event(const ReplyHead& head,
                         std::uint32_t index,
                         messages::FinishReason finish,
                         std::uint64_t text_end,
                         std::span<const messages::TokenLogprob> logprobs = {},
                         std::uint64_t characters_before = 0);
std::string usage_event(const ReplyHead& head, const TokenCounts& counts);
std::string error_event(const ApiError& error);

inline constexpr std::string_view kDoneEvent = "data: [DONE]\n\n";
inline constexpr std::string_view kPingEvent = ": ping\n\n";

std::string whole_reply(const ReplyHead& head,
                        std::span<const WholeAnswer> answers,
                        const TokenCounts& counts);

// How many characters the bytes of `logprobs`' tokens begin: what text_offset of the next token
// adds.
std::uint64_t characters_of(std::span<const messages::TokenLogprob> logprobs);

}  // namespace troupe::actors::gateway

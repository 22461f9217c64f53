// Aggregate → gateway: pieces of answers. Every request gets exactly one chunk whose kind is kFinal
// or kError.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/failure.hpp"
#include "messages/token_frame.hpp"

namespace troupe::messages {

struct TokenAlternative {
  std::int32_t token = -1;
  std::string bytes;  // the token's bytes, perhaps a part of a character
  float logprob = 0.0F;

  TROUPE_MESSAGE(TokenAlternative, token, bytes, logprob)
};

struct TokenLogprob {
  TokenAlternative chosen;
  std::vector<TokenAlternative> top;  // most likely first

  TROUPE_MESSAGE(TokenLogprob, chosen, top)
};

enum class ChunkKind : std::uint8_t { kAccepted, kText, kFinal, kError };

struct ReplyChunk {
  std::uint64_t request_id = 0;
  ChunkKind kind = ChunkKind::kText;
  std::uint64_t text_offset = 0;  // of `text` in the whole answer, UTF-8 bytes
  std::string text;               // valid UTF-8, whole characters
  std::uint32_t token_begin = 0;  // the produced tokens that this chunk accounts for
  std::uint32_t token_end = 0;
  std::vector<std::int32_t> tokens;           // [token_end - token_begin]
  std::vector<TokenLogprob> logprobs;         // one for each token when asked for, else empty
  FinishReason finish = FinishReason::kNone;  // kFinal: kStop or kLength
  std::uint32_t prompt_tokens = 0;            // kFinal and kError: usage
  std::uint32_t produced_tokens = 0;
  std::uint32_t cached_tokens = 0;  // of the prompt, that the prefix cache held
  bool resumed_inexact = false;     // kFinal: its tokens come from workers of two numerics_ids
  Failure failure;                  // kError

  TROUPE_MESSAGE(ReplyChunk,
                 request_id,
                 kind,
                 text_offset,
                 text,
                 token_begin,
                 token_end,
                 tokens,
                 logprobs,
                 finish,
                 prompt_tokens,
                 produced_tokens,
                 cached_tokens,
                 resumed_inexact,
                 failure)
};

// What one step brought to all answers: one frame, one mailbox entry and one wake for all of them.
struct ReplyChunks {
  std::vector<ReplyChunk> chunks;

  TROUPE_MESSAGE(ReplyChunks, chunks)
};

}  // namespace troupe::messages

MSGPACK_ADD_ENUM(troupe::messages::ChunkKind)

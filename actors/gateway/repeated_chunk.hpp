// Chunks that come twice, because aggregate began anew and made them again from the ledger.
#pragma once

#include <cstdint>

#include "messages/reply_chunk.hpp"

namespace troupe::actors::gateway {

// `accepted`, `tokens`: what the answer has so far. Aggregate makes each chunk as it made it
// before, so one is had whole or not at all. One that ends an answer is had when the answer is not
// open any more.
inline bool is_repeated(const messages::ReplyChunk& chunk, bool accepted, std::uint32_t tokens) {
  if (chunk.kind == messages::ChunkKind::kAccepted) return accepted;
  return chunk.kind == messages::ChunkKind::kText && !chunk.tokens.empty() &&
         chunk.token_end <= tokens;
}

}  // namespace troupe::actors::gateway

#include "kernels/attention.hpp"

#include "config/check.hpp"

namespace troupe::kernels {
namespace {

std::int32_t query_tiles(const AttentionSequence& sequence, std::int32_t tile_tokens) {
  return (sequence.tokens + tile_tokens - 1) / tile_tokens;
}

}  // namespace

std::int32_t attention_tile_count(const Attention& op) {
  const std::int32_t tile_tokens = query_tile_tokens(op.heads / op.pool.kv_heads);
  std::int32_t count = 0;
  for (std::int32_t i = 0; i < op.count; ++i) count += query_tiles(op.sequences[i], tile_tokens);
  return count * op.pool.kv_heads;
}

// In the order of tokens, as rows of other operations, so that threads keep theirs. The last
// queries see the most keys: a thread that has done its share takes tiles from the end of
// another's.
AttentionTile attention_tile(const Attention& op, std::int32_t index) {
  const std::int32_t tile_tokens = query_tile_tokens(op.heads / op.pool.kv_heads);
  for (std::int32_t i = 0; i < op.count; ++i) {
    const AttentionSequence& sequence = op.sequences[i];
    const std::int32_t tiles = query_tiles(sequence, tile_tokens);
    if (index < tiles * op.pool.kv_heads) {
      const std::int32_t begin = index / op.pool.kv_heads * tile_tokens;
      const std::int32_t end = begin + tile_tokens;
      const AttentionSequence* next = &sequence;
      if (index + 1 == tiles * op.pool.kv_heads) next = i + 1 < op.count ? next + 1 : nullptr;
      return {&sequence,
              index % op.pool.kv_heads,
              begin,
              end < sequence.tokens ? end : sequence.tokens,
              next,
              (index + 1) % op.pool.kv_heads};
    }
    index -= tiles * op.pool.kv_heads;
  }
  CHECK(false, "index is below attention_tile_count");
}

}  // namespace troupe::kernels

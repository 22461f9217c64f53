#include "kernels/attention.hpp"

#include "config/check.hpp"

namespace troupe::kernels {
namespace {

std::int32_t query_tiles(const AttentionSequence& sequence) {
  return (sequence.tokens + kQueryTileTokens - 1) / kQueryTileTokens;
}

}  // namespace

std::int32_t attention_tile_count(const Attention& op) {
  std::int32_t count = 0;
  for (std::int32_t i = 0; i < op.count; ++i) count += query_tiles(op.sequences[i]);
  return count * op.pool.kv_heads;
}

// The last queries of a sequence come first: they see the most keys, and the longest tiles should
// not be left for the end of the loop.
AttentionTile attention_tile(const Attention& op, std::int32_t index) {
  for (std::int32_t i = 0; i < op.count; ++i) {
    const AttentionSequence& sequence = op.sequences[i];
    const std::int32_t tiles = query_tiles(sequence);
    if (index < tiles * op.pool.kv_heads) {
      const std::int32_t begin = (tiles - 1 - index / op.pool.kv_heads) * kQueryTileTokens;
      const std::int32_t end = begin + kQueryTileTokens;
      return {&sequence,
              index % op.pool.kv_heads,
              begin,
              end < sequence.tokens ? end : sequence.tokens};
    }
    index -= tiles * op.pool.kv_heads;
  }
  CHECK(false, "index is below attention_tile_count");
}

}  // namespace troupe::kernels

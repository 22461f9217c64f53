#include "kernels/rope_append.hpp"

#include "config/check.hpp"

namespace troupe::kernels {
namespace {

// Blocks that the sequence's tokens touch.
std::int32_t touched_blocks(const AttentionSequence& s) {
  return (s.position + s.tokens - 1) / kKvBlockTokens - s.position / kKvBlockTokens + 1;
}

}  // namespace

std::int32_t rope_append_tile_count(const RopeAppend& op) {
  std::int32_t count = 0;
  for (std::int32_t i = 0; i < op.count; ++i) count += touched_blocks(op.sequences[i]);
  return count;
}

RopeAppendTile rope_append_tile(const RopeAppend& op, std::int32_t index) {
  for (std::int32_t i = 0; i < op.count; ++i) {
    const AttentionSequence& s = op.sequences[i];
    const std::int32_t blocks = touched_blocks(s);
    if (index < blocks) {
      const std::int32_t block = s.position / kKvBlockTokens + index;
      const std::int32_t begin = block * kKvBlockTokens - s.position;
      const std::int32_t end = begin + kKvBlockTokens;
      return {&s, begin > 0 ? begin : 0, end < s.tokens ? end : s.tokens};
    }
    index -= blocks;
  }
  CHECK(false, "index is below rope_append_tile_count");
}

}  // namespace troupe::kernels

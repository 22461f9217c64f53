// How BF16 activations lie in memory: tiles of 16 tokens × 32 values of k in the pair order that
// the tile unit (TDPBF16PS) reads as its second operand.
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

using Bf16 = std::uint16_t;  // the upper half of an FP32

inline constexpr std::int32_t kBf16Tokens = 16;  // rows of x in one tile
inline constexpr std::int32_t kBf16Depth = 32;   // values of k in one tile

constexpr std::int32_t bf16_padded_k(std::int32_t k) {
  return (k + kBf16Depth - 1) / kBf16Depth * kBf16Depth;
}

// Where x[row, k] lies among rows · padded_k values: [tiles][padded_k / 2 pairs][tokens][2]. The
// last tile has as many tokens as are left, so that a single token takes no room of sixteen.
constexpr std::size_t bf16_index(std::int32_t rows,
                                 std::int32_t padded_k,
                                 std::int32_t row,
                                 std::int32_t k) {
  const std::int32_t first = row / kBf16Tokens * kBf16Tokens;
  const std::int32_t tokens = rows - first < kBf16Tokens ? rows - first : kBf16Tokens;
  const std::size_t tile = static_cast<std::size_t>(first) * static_cast<std::size_t>(padded_k);
  return tile + static_cast<std::size_t>((k / 2 * tokens + row - first) * 2 + k % 2);
}

}  // namespace troupe::kernels

// How weights of 4, 5 or 8 bits with scales for groups of 32 values of k lie in memory: the blocks
// of model files, in the order of vector dot products.
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

inline constexpr std::int32_t kGroupValues = 32;     // values of k that share a scale
inline constexpr std::int32_t kGroupedColumns = 32;  // columns of y in one panel
inline constexpr std::int32_t kGroupedDepth = 64;    // values of k in one block: two groups
inline constexpr std::int32_t kGroupedTiles = 2;     // of 16 columns each, in one panel

constexpr std::int32_t grouped_padded_n(std::int32_t n) {
  return (n + kGroupedColumns - 1) / kGroupedColumns * kGroupedColumns;
}

constexpr std::int32_t grouped_padded_k(std::int32_t k) {
  return (k + kGroupedDepth - 1) / kGroupedDepth * kGroupedDepth;
}

// One block holds 32 columns × 64 values of k as unsigned numbers q:
//   4 bits: [16 of four k][16 columns][4] bytes; the low half is q of column c, the high half of
//           column 16 + c, so that one vector of bytes serves both tiles and the same x.
//   5 bits: the same, and then the fifth bits: [16 of four k][2 tiles] masks of 64.
//   8 bits: [2 tiles][16 of four k][16 columns][4] bytes.
// Then FP16 numbers: scales [2 groups][32 columns], minima [2 groups][32 columns].
constexpr std::size_t grouped_scales_at(std::int32_t bits) {
  return bits == 4 ? 1024 : bits == 5 ? 1280 : 2048;
}

constexpr std::size_t grouped_minima_at(std::int32_t bits) { return grouped_scales_at(bits) + 128; }

constexpr std::size_t grouped_block_bytes(std::int32_t bits) {
  return grouped_scales_at(bits) + 256;
}

// A matrix is [padded_n / 32][padded_k / 64] blocks.
constexpr std::size_t grouped_bytes(std::int32_t bits, std::int32_t n, std::int32_t k) {
  return static_cast<std::size_t>(grouped_padded_n(n) / kGroupedColumns) *
         static_cast<std::size_t>(grouped_padded_k(k) / kGroupedDepth) * grouped_block_bytes(bits);
}

// Of the block that holds w[column, k].
constexpr std::size_t grouped_block_at(std::int32_t bits,
                                       std::int32_t padded_k,
                                       std::int32_t column,
                                       std::int32_t k) {
  const auto depths = static_cast<std::size_t>(padded_k / kGroupedDepth);
  return (static_cast<std::size_t>(column / kGroupedColumns) * depths +
          static_cast<std::size_t>(k / kGroupedDepth)) *
         grouped_block_bytes(bits);
}

// Of the byte with q of (column, k) in a tile of a block.
constexpr std::size_t grouped_byte_at(std::int32_t column, std::int32_t k) {
  return static_cast<std::size_t>(k % kGroupedDepth / 4 * 64 + column % 16 * 4 + k % 4);
}

}  // namespace troupe::kernels

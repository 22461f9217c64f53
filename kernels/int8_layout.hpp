// How int8 weights lie in memory: tiles of 16 columns × 64 values of k in the order that both the
// tile unit (TDPBSSD) and vector dot products (VPDPBUSD) read, written once and used by every CPU
// backend.
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

inline constexpr std::int32_t kInt8Columns = 32;  // columns of y in one panel: two tiles
inline constexpr std::int32_t kInt8Depth = 64;    // values of k in one tile
inline constexpr std::int32_t kInt8RowTile = 32;  // rows of x that the widest kernel takes at once
inline constexpr std::int32_t kInt8DepthMax = 1 << 16;  // 255 · 127 · 2^16 still fits int32

constexpr std::int32_t int8_padded_n(std::int32_t n) {
  return (n + kInt8Columns - 1) / kInt8Columns * kInt8Columns;
}

constexpr std::int32_t int8_padded_k(std::int32_t k) {
  return (k + kInt8Depth - 1) / kInt8Depth * kInt8Depth;
}

constexpr std::int32_t int8_padded_rows(std::int32_t rows) {
  return (rows + kInt8RowTile - 1) / kInt8RowTile * kInt8RowTile;
}

// Where w[column, k] lies: [padded_n / 32][padded_k / 64][2 tiles][16 of four k][16 columns][4].
constexpr std::size_t int8_index(std::int32_t padded_k, std::int32_t column, std::int32_t k) {
  const auto panel = static_cast<std::size_t>(column / kInt8Columns);
  const auto depth = static_cast<std::size_t>(k / kInt8Depth);
  const auto tile = static_cast<std::size_t>(column % kInt8Columns / 16);
  const auto four = static_cast<std::size_t>(k % kInt8Depth / 4);
  const auto lane = static_cast<std::size_t>(column % 16 * 4 + k % 4);
  const auto depths = static_cast<std::size_t>(padded_k / kInt8Depth);
  return ((panel * depths + depth) * 2 + tile) * 1024 + four * 64 + lane;
}

}  // namespace troupe::kernels

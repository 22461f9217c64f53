// Grouped layers with 256-bit vectors. Included by ISA files only, behind what multiplies:
//   __m256i add_small_dots(__m256i sum, __m256i unsigned_bytes, __m256i x);  // bytes up to 31
//   __m256i add_byte_dots(__m256i sum, __m256i unsigned_bytes, __m256i x);   // any bytes
// each of which adds four products to each lane, and how often these are written out in a row:
//   constexpr int kFoursAtOnce;
#pragma once

#include <immintrin.h>

#include "kernels/grouped_linear.hpp"

namespace {

inline std::int32_t depths_of(std::int32_t k) { return (k + 63) / 64; }

// Bits [0, 32) of `mask` as bytes of 16 or 0.
inline __m256i bytes_of_mask(std::uint32_t mask) {
  const __m256i byte_of_lane =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of_lane = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
  const __m256i spread =
      _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<std::int32_t>(mask)), byte_of_lane);
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of_lane), bit_of_lane);
  return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

// Adds the dot products of columns [8 · eighth, 8 · eighth + 8) of a panel with four k.
template <int Bits>
inline __m256i add_dots(__m256i sum, const std::byte* block, int four, int eighth, __m256i x) {
  const __m256i low = _mm256_set1_epi8(0x0F);
  const int tile = eighth / 2;
  const int at = four * 64 + eighth % 2 * 32;
  const std::byte* from = block + at + (Bits == 8 ? tile * 1024 : 0);
  const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
  if (Bits == 8) return add_byte_dots(sum, bytes, x);
  const __m256i upper = _mm256_srli_epi16(bytes, 4);
  __m256i q = _mm256_and_si256(tile == 0 ? bytes : upper, low);
  if (Bits == 5) {
    std::uint32_t mask;
    __builtin_memcpy(&mask, block + 1024 + four * 16 + eighth * 4, sizeof mask);
    q = _mm256_or_si256(q, bytes_of_mask(mask));
  }
  return add_small_dots(sum, q, x);
}

inline __m256 eight_halves(const std::byte* at) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(at)));
}

inline void finish8(const GroupedLinear& op, std::int32_t row, std::int32_t column, __m256 total) {
  alignas(32) float values[8];
  _mm256_store_ps(values, total);
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.weights.n;
  for (std::int32_t j = column; j < column + 8 && j < op.weights.n; ++j) {
    float value = values[j - column];
    if (op.bias != nullptr) value += op.bias[j];
    y[j] = op.accumulate ? y[j] + value : value;
  }
}

// One row of x against one panel of 32 columns.
template <int Bits>
inline void dot_panel(const GroupedLinear& op,
                      const GroupedInput& x,
                      std::int32_t row,
                      std::int32_t column) {
  constexpr std::ptrdiff_t kBlock = grouped_block_bytes(Bits);
  constexpr std::ptrdiff_t kScalesAt = grouped_scales_at(Bits);
  constexpr std::ptrdiff_t kMinimaAt = grouped_minima_at(Bits);
  const std::ptrdiff_t depths = depths_of(op.weights.k);
  const std::byte* w = op.weights.blocks + column / kGroupedColumns * depths * kBlock;
  const std::int8_t* q = x.q + row * depths * kGroupedDepth;
  __m256 total[4];
#pragma GCC unroll 4
  for (int e = 0; e < 4; ++e) total[e] = _mm256_setzero_ps();
  for (std::ptrdiff_t g = 0; g < 2 * depths; ++g) {
    __m256i sum[4];
#pragma GCC unroll 4
    for (int e = 0; e < 4; ++e) sum[e] = _mm256_setzero_si256();
    const int half = static_cast<int>(g % 2);
#pragma GCC unroll kFoursAtOnce
    for (int i = 0; i < 8; ++i) {
      const int four = 8 * half + i;
      std::int32_t of_row;
      __builtin_memcpy(&of_row, q + g / 2 * kGroupedDepth + four * 4, sizeof of_row);
      const __m256i xs = _mm256_set1_epi32(of_row);
#pragma GCC unroll 4
      for (int e = 0; e < 4; ++e) sum[e] = add_dots<Bits>(sum[e], w, four, e, xs);
    }
    const __m256 x_scale = _mm256_set1_ps(x.scale[row * depths * 2 + g]);
    const __m256 x_sum = _mm256_set1_ps(x.sum[row * depths * 2 + g]);
#pragma GCC unroll 4
    for (int e = 0; e < 4; ++e) {
      const int at = half * 64 + e * 16;
      const __m256 scale = _mm256_mul_ps(x_scale, eight_halves(w + kScalesAt + at));
      const __m256 minima = eight_halves(w + kMinimaAt + at);
      total[e] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[e]), scale, total[e]);
      total[e] = _mm256_fmadd_ps(x_sum, minima, total[e]);
    }
    if (half == 1) w += kBlock;
  }
  for (int e = 0; e < 4; ++e) finish8(op, row, column + 8 * e, total[e]);
}

inline void grouped_columns(const GroupedLinear& op,
                            const GroupedInput& x,
                            std::int32_t begin,
                            std::int32_t end) {
  const auto panel = op.weights.bits == 4   ? dot_panel<4>
                     : op.weights.bits == 5 ? dot_panel<5>
                                            : dot_panel<8>;
  for (std::int32_t column = begin; column < end; column += kGroupedColumns) {
    for (std::int32_t row = 0; row < op.rows; ++row) panel(op, x, row, column);
  }
}

}  // namespace

// Int8 layers by VPDPBUSD of 256 bits: unsigned x (128 added) times signed weights, with 128 · Σ w
// taken off at the end. The sum is exact in int32.
#include <immintrin.h>

#include "kernels/cpu/avx2_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx_vnni {

#include "kernels/cpu/body/elementwise.hpp"

namespace {

// Nothing shorter pays here.
inline Vec short_gated(Vec gate, Vec up) { return gated(gate, up); }

}  // namespace

#include "kernels/cpu/body/int8_finish.hpp"

namespace {

// Rows of x in one block: 2 · 6 sums, two vectors of weights and one of x in 16 registers.
constexpr std::int32_t kRows = 6;

// Four values of k of one row in every lane.
inline __m256i four_of_row(const std::uint8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof four);
  return _mm256_set1_epi32(four);
}

inline __m256i load_ints(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

inline void to_unsigned(const std::int8_t* x, std::ptrdiff_t count, std::uint8_t* out) {
  const __m256i high = _mm256_set1_epi8(static_cast<char>(0x80));
  for (std::ptrdiff_t i = 0; i < count; i += 32) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + i),
                       _mm256_xor_si256(load_ints(x + i), high));
  }
}

// `Rows` rows of x against one tile of 16 columns of a panel: [Rows, 32] of sums. `x` is unsigned:
// [Rows, padded].
template <int Rows>
inline void dot_tile(const Int8Linear& op,
                     const std::uint8_t* x,
                     std::int32_t column,
                     int tile,
                     std::int32_t* sums) {
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  const std::int8_t* w = op.weights.tiles + column * padded + tile * 1024;
  // Short chains for one row: its two sums alone would wait for the latency of each product.
  constexpr int kChains = Rows == 1 ? 4 : Rows == 2 ? 2 : 1;
  __m256i sum[kChains][Rows][2];
#pragma GCC unroll 4
  for (int c = 0; c < kChains; ++c) {
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) sum[c][r][0] = sum[c][r][1] = _mm256_setzero_si256();
  }
  for (std::ptrdiff_t k = 0; k < padded; k += 64, w += 2048) {
#pragma GCC unroll 16
    for (int four = 0; four < 16; ++four) {
      const __m256i w0 = load_ints(w + four * 64);
      const __m256i w1 = load_ints(w + four * 64 + 32);
#pragma GCC unroll 6
      for (int r = 0; r < Rows; ++r) {
        const __m256i xs = four_of_row(x + r * padded + k + four * 4);
        auto& to = sum[four % kChains][r];
        to[0] = _mm256_dpbusd_avx_epi32(to[0], xs, w0);
        to[1] = _mm256_dpbusd_avx_epi32(to[1], xs, w1);
      }
    }
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const std::int32_t at = tile * 16 + half * 8;
    const __m256i extra = load_ints(op.weights.sums + column + at);
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      __m256i total = sum[0][r][half];
#pragma GCC unroll 4
      for (int c = 1; c < kChains; ++c) total = _mm256_add_epi32(total, sum[c][r][half]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + r * kInt8Columns + at),
                          _mm256_sub_epi32(total, extra));
    }
  }
}

template <int Rows>
inline void dot_panel(const Int8Linear& op,
                      std::int32_t row,
                      const std::uint8_t* x,
                      std::int32_t column) {
  std::int32_t sums[Rows * kInt8Columns];
  dot_tile<Rows>(op, x, column, 0, sums);
  dot_tile<Rows>(op, x, column, 1, sums);
  finish_panel(op, {row, Rows, column, sums});
}

inline void dot_rows(const Int8Linear& op,
                     std::int32_t row,
                     std::int32_t rows,
                     const std::uint8_t* x,
                     std::int32_t column) {
  switch (rows) {
    case 1:
      return dot_panel<1>(op, row, x, column);
    case 2:
      return dot_panel<2>(op, row, x, column);
    case 3:
      return dot_panel<3>(op, row, x, column);
    case 4:
      return dot_panel<4>(op, row, x, column);
    case 5:
      return dot_panel<5>(op, row, x, column);
    default:
      return dot_panel<kRows>(op, row, x, column);
  }
}

}  // namespace

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  auto* x = reinterpret_cast<std::uint8_t*>(scratch);
  // A block of rows and a panel stay in the first two caches while they meet.
  for (std::int32_t row = 0; row < op.rows; row += kInt8RowTile) {
    const std::int32_t rows = op.rows - row < kInt8RowTile ? op.rows - row : kInt8RowTile;
    to_unsigned(op.x + row * padded, rows * padded, x);
    for (std::int32_t column = begin; column < end; column += kInt8Columns) {
      for (std::int32_t first = 0; first < rows; first += kRows) {
        const std::int32_t count = rows - first < kRows ? rows - first : kRows;
        dot_rows(op, row + first, count, x + first * padded, column);
      }
    }
  }
}

}  // namespace troupe::kernels::avx_vnni

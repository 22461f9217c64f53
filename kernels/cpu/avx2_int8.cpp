// Rotation and rounding with 256-bit vectors, and int8 layers by VPMADDWD on values widened to 16
// bits. (VPMADDUBSW would be twice as fast and saturates.)
#include <immintrin.h>

#include "kernels/cpu/avx2_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx2 {

#include "kernels/cpu/body/elementwise.hpp"

namespace {

// Nothing shorter pays here.
inline Vec short_gated(Vec gate, Vec up) { return gated(gate, up); }

}  // namespace

#include "kernels/cpu/body/int8_finish.hpp"
#include "kernels/cpu/body/mix_blocks.hpp"

namespace {

constexpr std::int32_t kRows = 2;  // of x in one block of sums: 2 · 4 of 16 registers

inline void across(__m256& a, __m256& b) {
  const __m256 sum = _mm256_add_ps(a, b);
  b = _mm256_sub_ps(a, b);
  a = sum;
}

// A row of the input: normalised where the operation says so.
struct Input {
  const float* x;
  const std::uint16_t* gated;  // BF16, instead of x, or null
  const float* norm;           // or null
  std::int32_t k;
  Vec factor;

  Vec load8(std::int32_t at) const {
    const std::int32_t left = k - at;
    if (left <= 0) return zero();
    const bool is_whole = left >= kLanes;
    if (gated != nullptr)
      return is_whole ? load_bf16(gated + at) : load_bf16_first(gated + at, left);
    const Vec v = is_whole ? load(x + at) : load_first(x + at, left);
    if (norm == nullptr) return v;
    return mul(mul(v, factor), is_whole ? load(norm + at) : load_first(norm + at, left));
  }
};

inline Input input_row(const Quantize& op, std::int32_t row) {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(row) * op.x_stride;
  if (op.gated != nullptr) return {nullptr, op.gated + at, nullptr, op.k, zero()};
  const float* x = op.x + at;
  return {
      x, nullptr, op.norm, op.k, op.norm == nullptr ? zero() : norm_factor(x, op.k, op.epsilon)};
}

inline std::int32_t largest_lane(__m256i v) {
  alignas(32) std::int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), v);
  std::int32_t largest = 0;
  for (const std::int32_t lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

// One row into `rotated` ([padded]); returns the largest magnitude as an integer of the same order.
inline std::int32_t rotate_row(const Input& x, std::int32_t padded, float* rotated) {
  for (std::int32_t i = 0; i < padded; i += 64) {
    __m256 v[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) v[j] = rotate_lanes(x.load8(i + 8 * j));
#pragma GCC unroll 4
    for (int j = 0; j < 8; j += 2) across(v[j], v[j + 1]);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      if ((j & 2) == 0) across(v[j], v[j + 2]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) across(v[j], v[j + 4]);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      v[j] = _mm256_mul_ps(v[j], _mm256_set1_ps(0.125F));
      _mm256_storeu_ps(rotated + i + 8 * j, v[j]);
    }
  }
  mix_blocks(rotated, padded);
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i highest = _mm256_setzero_si256();
  for (std::int32_t i = 0; i < padded; i += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(rotated + i));
    highest = _mm256_max_epi32(highest, _mm256_and_si256(bits, magnitude));
  }
  return largest_lane(highest);
}

inline void quantize_one_row(const Quantize& op, std::int32_t row, float* scratch) {
  constexpr std::int32_t kInfinity = 0x7F800000;
  const std::int32_t padded = padded_k(op.k);
  std::int8_t* q = op.q + static_cast<std::ptrdiff_t>(row) * padded;
  const std::int32_t bits = rotate_row(input_row(op, row), padded, scratch);
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  if (bits >= kInfinity || largest < kQuantizeLeast) {
    __builtin_memset(q, 0, static_cast<std::size_t>(padded));
    op.scale[row] = bits >= kInfinity ? __builtin_nanf("") : 0.0F;
    return;
  }
  const __m256 inverse = _mm256_set1_ps(127.0F / largest);
  for (std::int32_t i = 0; i < padded; i += 16) {
    const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(scratch + i), inverse));
    const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(scratch + i + 8), inverse));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i), bytes);
  }
  op.scale[row] = largest / 127.0F;
}

// Four values of k of one row in every 64-bit lane.
inline __m256i four_of_row(const std::int16_t* x) {
  long long four;
  __builtin_memcpy(&four, x, sizeof four);
  return _mm256_set1_epi64x(four);
}

inline void widen(const std::int8_t* x, std::ptrdiff_t count, std::int16_t* out) {
  for (std::ptrdiff_t i = 0; i < count; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i));
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + i), _mm256_cvtepi8_epi16(bytes));
  }
}

// Four values of k of `Rows` rows of x against those of 16 columns.
template <int Rows>
inline void add_four(const std::int16_t* x,
                     std::ptrdiff_t padded,
                     const std::int8_t* w,
                     __m256i (&sum)[Rows][4]) {
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) {
    const __m256i ws =
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + v * 16)));
#pragma GCC unroll 2
    for (int r = 0; r < Rows; ++r) {
      const __m256i xs = four_of_row(x + r * padded);
      sum[r][v] = _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(ws, xs));
    }
  }
}

// `Rows` rows of x, widened ([Rows, padded]), against one tile of 16 columns of a panel: [Rows, 32]
// of sums. A lane pair holds the two halves of a column.
template <int Rows>
inline void dot_tile(
    const Int8Linear& op, const std::int16_t* x, std::int32_t panel, int tile, std::int32_t* sums) {
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  const std::int8_t* w = op.weights.tiles + panel * padded + tile * 1024;
  __m256i sum[Rows][4];
#pragma GCC unroll 2
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sum[r][v] = _mm256_setzero_si256();
  }
  for (std::ptrdiff_t k = 0; k < padded; k += 64, w += 2048) {
    if constexpr (Rows == 1) {  // half as fast again; two rows are slower so
#pragma GCC unroll 16
      for (int four = 0; four < 16; ++four)
        add_four<Rows>(x + k + four * 4, padded, w + four * 64, sum);
    } else {
      for (int four = 0; four < 16; ++four)
        add_four<Rows>(x + k + four * 4, padded, w + four * 64, sum);
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < 4; v += 2) {
      const __m256i halves = _mm256_hadd_epi32(sum[r][v], sum[r][v + 1]);  // of both, in turns
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + r * kInt8Columns + tile * 16 + v * 4),
                          _mm256_permute4x64_epi64(halves, 0xD8));
    }
  }
}

template <int Rows>
inline void dot_panel(const Int8Linear& op,
                      std::int32_t row,
                      const std::int16_t* x,
                      std::int32_t column) {
  std::int32_t sums[Rows * kInt8Columns];
  dot_tile<Rows>(op, x, column, 0, sums);
  dot_tile<Rows>(op, x, column, 1, sums);
  finish_panel(op, {row, Rows, column, sums});
}

}  // namespace

void quantize(const Quantize& op, std::int32_t begin, std::int32_t end, float* scratch) {
  for (std::int32_t row = begin; row < end; ++row) quantize_one_row(op, row, scratch);
}

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  constexpr std::int32_t kBlock = kInt8RowTile / 2;  // rows that scratch holds when widened
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  auto* x = reinterpret_cast<std::int16_t*>(scratch);
  for (std::int32_t row = 0; row < op.rows; row += kBlock) {
    const std::int32_t rows = op.rows - row < kBlock ? op.rows - row : kBlock;
    widen(op.x + row * padded, rows * padded, x);
    for (std::int32_t column = begin; column < end; column += kInt8Columns) {
      std::int32_t first = 0;
      for (; first + kRows <= rows; first += kRows)
        dot_panel<kRows>(op, row + first, x + first * padded, column);
      if (first < rows) dot_panel<1>(op, row + first, x + first * padded, column);
    }
  }
}

}  // namespace troupe::kernels::avx2

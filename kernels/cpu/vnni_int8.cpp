// Rotation and rounding with 512-bit vectors, and int8 layers by VPDPBUSD: unsigned x (128 added)
// times signed weights, with 128 · Σ w taken off at the end. The sum is exact in int32.
#include <immintrin.h>

#include "kernels/cpu/avx512_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::vnni {

#include "kernels/cpu/body/int8_finish.hpp"

namespace {

// A row of the input: normalised where the operation says so.
struct Input {
  const float* x;
  const std::uint16_t* gated;  // BF16, instead of x, or null
  const float* norm;           // or null
  std::int32_t k;
  Vec factor;

  Vec load16(std::int32_t at) const {
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

// Mixing of whole blocks; see quantize.hpp. Several stages in one pass: `Count` vectors that lie
// `step` floats apart belong together.
template <int Count>
inline void mix_pairs(float* row, std::int32_t padded, std::int32_t step) {
  const __m512 factor = _mm512_set1_ps(kMixPair);
  for (std::int32_t begin = 0; begin < padded; begin += Count * step) {
    for (float* at = row + begin; at < row + begin + step; at += 16) {
      __m512 v[Count];
#pragma GCC unroll 8
      for (int i = 0; i < Count; ++i) v[i] = _mm512_load_ps(at + i * step);
#pragma GCC unroll 3
      for (int stride = 1; stride < Count; stride *= 2) {
#pragma GCC unroll 4
        for (int j = 0; j < Count / 2; ++j) {
          const int i = j / stride * 2 * stride + j % stride;
          const __m512 sum = _mm512_mul_ps(_mm512_add_ps(v[i], v[i + stride]), factor);
          v[i + stride] = _mm512_mul_ps(_mm512_sub_ps(v[i], v[i + stride]), factor);
          v[i] = sum;
        }
      }
#pragma GCC unroll 8
      for (int i = 0; i < Count; ++i) _mm512_store_ps(at + i * step, v[i]);
    }
  }
}

template <int Count>
inline void mix_triples(float* row, std::int32_t padded, std::int32_t step) {
  const __m512 factor = _mm512_set1_ps(kMixTriple);
  for (std::int32_t begin = 0; begin < padded; begin += Count * step) {
    for (float* at = row + begin; at < row + begin + step; at += 16) {
      __m512 v[Count];
#pragma GCC unroll 9
      for (int i = 0; i < Count; ++i) v[i] = _mm512_load_ps(at + i * step);
#pragma GCC unroll 2
      for (int stride = 1; stride < Count; stride *= 3) {
#pragma GCC unroll 3
        for (int j = 0; j < Count / 3; ++j) {
          const int i = j / stride * 3 * stride + j % stride;
          const __m512 two = _mm512_add_ps(v[i], v[i + stride]);
          const __m512 sum = _mm512_mul_ps(_mm512_add_ps(two, v[i + 2 * stride]), factor);
          v[i] = _mm512_sub_ps(v[i], sum);
          v[i + stride] = _mm512_sub_ps(v[i + stride], sum);
          v[i + 2 * stride] = _mm512_sub_ps(v[i + 2 * stride], sum);
        }
      }
#pragma GCC unroll 9
      for (int i = 0; i < Count; ++i) _mm512_store_ps(at + i * step, v[i]);
    }
  }
}

inline void mix_blocks(float* row, std::int32_t padded) {
  std::int32_t step = 64;
  for (; padded % (8 * step) == 0; step *= 8) mix_pairs<8>(row, padded, step);
  for (; padded % (4 * step) == 0; step *= 4) mix_pairs<4>(row, padded, step);
  for (; padded % (2 * step) == 0; step *= 2) mix_pairs<2>(row, padded, step);
  for (; padded % (9 * step) == 0; step *= 9) mix_triples<9>(row, padded, step);
  for (; padded % (3 * step) == 0; step *= 3) mix_triples<3>(row, padded, step);
}

// One row into `rotated` ([padded]); returns the largest magnitude as an integer of the same order.
inline std::int32_t rotate_row(const Input& x, std::int32_t padded, float* rotated) {
  const __m512 eighth = _mm512_set1_ps(0.125F);
  for (std::int32_t i = 0; i < padded; i += 64) {
    const __m512 a = rotate_lanes(x.load16(i));
    const __m512 b = rotate_lanes(x.load16(i + 16));
    const __m512 c = rotate_lanes(x.load16(i + 32));
    const __m512 d = rotate_lanes(x.load16(i + 48));
    const __m512 ab = _mm512_add_ps(a, b);
    const __m512 ba = _mm512_sub_ps(a, b);
    const __m512 cd = _mm512_add_ps(c, d);
    const __m512 dc = _mm512_sub_ps(c, d);
    const __m512 out[4] = {_mm512_mul_ps(_mm512_add_ps(ab, cd), eighth),
                           _mm512_mul_ps(_mm512_add_ps(ba, dc), eighth),
                           _mm512_mul_ps(_mm512_sub_ps(ab, cd), eighth),
                           _mm512_mul_ps(_mm512_sub_ps(ba, dc), eighth)};
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      _mm512_store_ps(rotated + i + 16 * v, out[v]);
    }
  }
  mix_blocks(rotated, padded);
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i highest = _mm512_setzero_si512();
  for (std::int32_t i = 0; i < padded; i += 16)
    highest =
        _mm512_max_epi32(highest, _mm512_and_si512(_mm512_load_si512(rotated + i), magnitude));
  return _mm512_reduce_max_epi32(highest);
}

inline void quantize_one_row(const Quantize& op, std::int32_t row, float* scratch) {
  constexpr std::int32_t kInfinity = 0x7F800000;
  const std::int32_t padded = padded_k(op.k);
  std::int8_t* q = op.q + static_cast<std::ptrdiff_t>(row) * padded;
  const std::int32_t bits = rotate_row(input_row(op, row), padded, scratch);
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  if (bits >= kInfinity || largest < kQuantizeLeast) {
    for (std::int32_t i = 0; i < padded; i += 64) _mm512_storeu_si512(q + i, __m512i{});
    op.scale[row] = bits >= kInfinity ? __builtin_nanf("") : 0.0F;
    return;
  }
  const __m512 inverse = _mm512_set1_ps(127.0F / largest);
  for (std::int32_t i = 0; i < padded; i += 64) {
    __m512i v[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      v[j] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_load_ps(scratch + i + 16 * j), inverse));
    const __m512i bytes =
        _mm512_packs_epi16(_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3]));
    // Packing interleaves the four 128-bit lanes.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(q + i, _mm512_permutexvar_epi32(order, bytes));
  }
  op.scale[row] = largest / 127.0F;
}

inline __m512i four_of_row(const std::uint8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof four);
  return _mm512_set1_epi32(four);
}

// Weights to ask for beside a panel's products, for each 64 values of k: a part of the next panel.
struct Fetch {
  const std::int8_t* next;
  std::ptrdiff_t bytes;
};

// `Rows` rows of x against one panel. `x` is unsigned: [Rows, padded]. While the panel itself comes
// from memory (kCold), what lies a little ahead in it is asked for instead.
template <int Rows, bool kCold>
inline void dot_panel(const Int8Linear& op,
                      std::int32_t row,
                      const std::uint8_t* x,
                      std::int32_t column,
                      const Fetch& fetch) {
  constexpr std::ptrdiff_t kAhead = 2048;  // bytes
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  const std::int8_t* w = op.weights.tiles + column * padded;
  const std::int8_t* next = fetch.next;
  // Short chains for few rows: one accumulator alone would wait for the latency of each product.
  constexpr int kChains = Rows == 1 ? 4 : Rows == 2 ? 2 : 1;
  __m512i sum[kChains][Rows][2];
#pragma GCC unroll 4
  for (int c = 0; c < kChains; ++c) {
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) sum[c][r][0] = sum[c][r][1] = _mm512_setzero_si512();
  }
  for (std::ptrdiff_t k = 0; k < padded; k += 64) {
    if (!kCold) {
      for (std::ptrdiff_t i = 0; i < fetch.bytes; i += 64) __builtin_prefetch(next + i, 0, 2);
      next += fetch.bytes;
    }
#pragma GCC unroll 16
    for (int four = 0; four < 16; ++four) {
      const __m512i w0 = _mm512_load_si512(w + four * 64);
      const __m512i w1 = _mm512_load_si512(w + 1024 + four * 64);
      if (kCold) __builtin_prefetch(w + kAhead + four * 64, 0, 3);
      if (kCold) __builtin_prefetch(w + kAhead + 1024 + four * 64, 0, 3);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const __m512i xs = four_of_row(x + r * padded + k + four * 4);
        sum[four % kChains][r][0] = _mm512_dpbusd_epi32(sum[four % kChains][r][0], xs, w0);
        sum[four % kChains][r][1] = _mm512_dpbusd_epi32(sum[four % kChains][r][1], xs, w1);
      }
    }
    w += 2048;
  }
  alignas(64) std::int32_t totals[Rows][kInt8Columns];
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m512i extra = _mm512_loadu_si512(op.weights.sums + column + 16 * half);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      __m512i total = sum[0][r][half];
#pragma GCC unroll 4
      for (int c = 1; c < kChains; ++c) total = _mm512_add_epi32(total, sum[c][r][half]);
      _mm512_store_si512(totals[r] + 16 * half, _mm512_sub_epi32(total, extra));
    }
  }
  finish_panel(op, {row, Rows, column, totals[0]});
}

template <bool kCold>
inline void dot_rows(const Int8Linear& op,
                     std::int32_t row,
                     std::int32_t rows,
                     const std::uint8_t* x,
                     std::int32_t column,
                     const Fetch& fetch) {
  switch (rows) {
    case 1:
      return dot_panel<1, kCold>(op, row, x, column, fetch);
    case 2:
      return dot_panel<2, kCold>(op, row, x, column, fetch);
    case 3:
      return dot_panel<3, kCold>(op, row, x, column, fetch);
    case 4:
      return dot_panel<4, kCold>(op, row, x, column, fetch);
    default:
      return dot_panel<8, kCold>(op, row, x, column, fetch);
  }
}

inline void to_unsigned(const std::int8_t* x, std::ptrdiff_t count, std::uint8_t* out) {
  const __m512i high = _mm512_set1_epi8(static_cast<char>(0x80));
  for (std::ptrdiff_t i = 0; i < count; i += 64)
    _mm512_store_si512(out + i, _mm512_xor_si512(_mm512_loadu_si512(x + i), high));
}

}  // namespace

void quantize(const Quantize& op, std::int32_t begin, std::int32_t end, float* scratch) {
  for (std::int32_t row = begin; row < end; ++row) quantize_one_row(op, row, scratch);
}

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  constexpr std::int32_t kRowsMax = 8;  // of dot_panel
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  auto* x = reinterpret_cast<std::uint8_t*>(scratch);
  // A block of rows and a panel stay in the first two caches while they meet.
  for (std::int32_t row = 0; row < op.rows; row += kInt8RowTile) {
    const std::int32_t rows = op.rows - row < kInt8RowTile ? op.rows - row : kInt8RowTile;
    to_unsigned(op.x + row * padded, rows * padded, x);
    const std::int32_t groups = (rows + kRowsMax - 1) / kRowsMax;
    // The first block brings the tile into the second cache, where the others find it.
    const std::ptrdiff_t part = row > 0 ? 0 : (2048 / groups + 63) / 64 * 64;
    for (std::int32_t column = begin; column < end; column += kInt8Columns) {
      // Threads go through neighbouring tiles: what follows the last panel is needed next, too.
      Fetch fetch{op.weights.tiles + (column + kInt8Columns) * padded, part};
      for (std::int32_t first = 0; first < rows;) {
        const std::int32_t left = rows - first;
        const std::int32_t count = left >= kRowsMax ? kRowsMax : left >= 4 ? 4 : left;
        const bool is_cold = groups == 1 || (row == 0 && column == begin && first == 0);
        if (is_cold) {
          dot_rows<true>(op, row + first, count, x + first * padded, column, fetch);
        } else {
          dot_rows<false>(op, row + first, count, x + first * padded, column, fetch);
        }
        fetch.next += part * (padded / 64);
        first += count;
      }
    }
  }
}

}  // namespace troupe::kernels::vnni

// Grouped layers by VPDPBUSD: unsigned weights times signed x, so that neither needs an offset.
// For one row about 60 cycles of arithmetic stand against the 1280 bytes of a block of 4 bits, less
// than a core takes to read them.
#include <immintrin.h>

#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::vnni {
namespace {

constexpr int kRowsMax = 4;  // that share the unpacking of weights

inline std::int32_t depths_of(std::int32_t k) { return (k + 63) / 64; }

inline __mmask16 lanes_below(std::int32_t count) {
  return count >= 16 ? static_cast<__mmask16>(0xFFFFU)
                     : static_cast<__mmask16>((1U << (count > 0 ? count : 0)) - 1U);
}

// 32 values; those at and beyond k are zero.
inline void group_one(const float* x, std::int32_t left, std::int8_t* q, float* scale, float* sum) {
  constexpr std::int32_t kInfinity = 0x7F800000;
  constexpr float kLeast = 1e-30F;
  const __m512 a = _mm512_maskz_loadu_ps(lanes_below(left), x);
  const __m512 b = _mm512_maskz_loadu_ps(lanes_below(left - 16), x + (left > 16 ? 16 : 0));
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  const std::int32_t bits = _mm512_reduce_max_epi32(
      _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                       _mm512_and_si512(_mm512_castps_si512(b), magnitude)));
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  auto* out = reinterpret_cast<__m128i*>(q);
  if (bits >= kInfinity || largest < kLeast) {
    _mm_storeu_si128(out, __m128i{});
    _mm_storeu_si128(out + 1, __m128i{});
    *scale = *sum = bits >= kInfinity ? __builtin_nanf("") : 0.0F;
    return;
  }
  const __m512 inverse = _mm512_set1_ps(127.0F / largest);
  const __m512i first = _mm512_cvtps_epi32(_mm512_mul_ps(a, inverse));
  const __m512i second = _mm512_cvtps_epi32(_mm512_mul_ps(b, inverse));
  _mm_storeu_si128(out, _mm512_cvtepi32_epi8(first));
  _mm_storeu_si128(out + 1, _mm512_cvtepi32_epi8(second));
  *scale = largest / 127.0F;
  *sum = *scale * static_cast<float>(_mm512_reduce_add_epi32(_mm512_add_epi32(first, second)));
}

inline __m512i four_of_row(const std::int8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof four);
  return _mm512_set1_epi32(four);
}

inline __m512 sixteen_halves(const std::byte* at) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(at)));
}

// Four k of both tiles as bytes. Of 4 bits the second tile's are 16 q: that saves a shift here, and
// the sum of the group is divided once.
template <int Bits>
struct Four {
  Four(const std::byte* block, int four) {
    if (Bits == 8) {
      first = _mm512_load_si512(block + four * 64);
      second = _mm512_load_si512(block + 1024 + four * 64);
      return;
    }
    const __m512i low = _mm512_set1_epi8(0x0F);
    const __m512i both = _mm512_load_si512(block + four * 64);
    first = _mm512_and_si512(both, low);
    if (Bits == 4) {
      second = _mm512_andnot_si512(low, both);
      return;
    }
    second = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
    const __m512i fifth = _mm512_set1_epi8(16);
    __mmask64 masks[2];
    __builtin_memcpy(masks, block + 1024 + four * 16, sizeof masks);
    first = _mm512_mask_add_epi8(first, masks[0], first, fifth);
    second = _mm512_mask_add_epi8(second, masks[1], second, fifth);
  }

  __m512i first;
  __m512i second;
};

inline void finish16(const GroupedLinear& op, std::int32_t row, std::int32_t column, __m512 value) {
  const __mmask16 mask = lanes_below(op.weights.n - column);
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.weights.n + column;
  if (op.bias != nullptr)
    value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, op.bias + column));
  if (op.accumulate) value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), value);
  _mm512_mask_storeu_ps(y, mask, value);
}

// `Rows` rows of x against one panel of 32 columns.
template <int Bits, int Rows>
inline void dot_panel(const GroupedLinear& op,
                      const GroupedInput& x,
                      std::int32_t row,
                      std::int32_t column) {
  constexpr std::ptrdiff_t kBlock = grouped_block_bytes(Bits);
  constexpr std::ptrdiff_t kScalesAt = grouped_scales_at(Bits);
  constexpr std::ptrdiff_t kMinimaAt = grouped_minima_at(Bits);
  constexpr std::ptrdiff_t kAhead = 4 * kBlock;  // bytes of weights asked for in advance
  // Short chains for few rows: one accumulator alone would wait for the latency of each product.
  constexpr int kChains = Rows == 1 ? 2 : 1;
  const std::ptrdiff_t depths = depths_of(op.weights.k);
  const std::byte* w = op.weights.blocks + column / kGroupedColumns * depths * kBlock;
  const std::int8_t* q = x.q + row * depths * kGroupedDepth;
  const float* x_scale = x.scale + row * depths * 2;
  const float* x_sum = x.sum + row * depths * 2;
  __m512 total[Rows][2];
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r) total[r][0] = total[r][1] = _mm512_setzero_ps();
  for (std::ptrdiff_t d = 0; d < depths; ++d, w += kBlock) {
#pragma GCC unroll 2
    for (int group = 0; group < 2; ++group) {
      __m512i sum[kChains][Rows][2];
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) {
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) sum[c][r][0] = sum[c][r][1] = _mm512_setzero_si512();
      }
#pragma GCC unroll 8
      for (int four = 8 * group; four < 8 * group + 8; ++four) {
        const Four<Bits> weights(w, four);
        __builtin_prefetch(w + kAhead + four * (kBlock / 16), 0, 3);
        __builtin_prefetch(w + kAhead + four * (kBlock / 16) + 64, 0, 3);
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) {
          const __m512i xs = four_of_row(q + (r * depths + d) * kGroupedDepth + four * 4);
          __m512i(&chain)[2] = sum[four % kChains][r];
          chain[0] = _mm512_dpbusd_epi32(chain[0], weights.first, xs);
          chain[1] = _mm512_dpbusd_epi32(chain[1], weights.second, xs);
        }
      }
#pragma GCC unroll 2
      for (int tile = 0; tile < 2; ++tile) {
        const int at = group * 64 + tile * 32;
        const __m512 scales = sixteen_halves(w + kScalesAt + at);
        const __m512 minima = sixteen_halves(w + kMinimaAt + at);
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) {
          __m512i dot = sum[0][r][tile];
          if (kChains == 2) dot = _mm512_add_epi32(dot, sum[kChains - 1][r][tile]);
          if (Bits == 4 && tile == 1) dot = _mm512_srai_epi32(dot, 4);
          const std::ptrdiff_t g = (r * depths + d) * 2 + group;
          const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(x_scale[g]), scales);
          total[r][tile] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale, total[r][tile]);
          total[r][tile] = _mm512_fmadd_ps(_mm512_set1_ps(x_sum[g]), minima, total[r][tile]);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r) {
    finish16(op, row + r, column, total[r][0]);
    finish16(op, row + r, column + 16, total[r][1]);
  }
}

template <int Bits>
inline void linear(const GroupedLinear& op,
                   const GroupedInput& x,
                   std::int32_t begin,
                   std::int32_t end) {
  constexpr decltype(&dot_panel<Bits, 1>) kPanels[kRowsMax] = {
      dot_panel<Bits, 1>, dot_panel<Bits, 2>, dot_panel<Bits, 3>, dot_panel<Bits, 4>};
  for (std::int32_t column = begin; column < end; column += kGroupedColumns) {
    for (std::int32_t row = 0; row < op.rows; row += kRowsMax) {
      const std::int32_t rows = op.rows - row < kRowsMax ? op.rows - row : kRowsMax;
      kPanels[rows - 1](op, x, row, column);
    }
  }
}

}  // namespace

void group_rows(
    const float* x, std::int32_t k, const GroupedInput& out, std::int32_t begin, std::int32_t end) {
  const std::ptrdiff_t groups = 2 * std::ptrdiff_t{depths_of(k)};
  for (std::ptrdiff_t r = begin; r < end; ++r) {
    for (std::int32_t g = 0; g < groups; ++g) {
      const std::int32_t at = g * kGroupValues;
      group_one(x + r * k + (at < k ? at : 0),
                k - at,
                out.q + (r * groups + g) * kGroupValues,
                out.scale + r * groups + g,
                out.sum + r * groups + g);
    }
  }
}

void grouped_linear(const GroupedLinear& op,
                    const GroupedInput& x,
                    std::int32_t begin,
                    std::int32_t end) {
  const auto of_bits = op.weights.bits == 4   ? linear<4>
                       : op.weights.bits == 5 ? linear<5>
                                              : linear<8>;
  of_bits(op, x, begin, end);
}

}  // namespace troupe::kernels::vnni

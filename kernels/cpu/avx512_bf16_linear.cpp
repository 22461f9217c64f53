// BF16 layers by VDPBF16PS, for CPUs that have it at full speed and no tile unit. Panels of 32
// channels are expanded and transposed once for all tokens: two vectors of channels meet a pair of
// values of up to eight tokens, as it lies in the tiles of x.
//
// A sum adds pairs of k in ascending order, whatever tokens stand beside it.
// Source: Intel 64 and IA-32 manual, volume 2, VDPBF16PS.
#include "kernels/cpu/avx512_expand.hpp"
#include "kernels/cpu/avx512_transpose.hpp"
#include "kernels/cpu/bf16_expand.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx512_bf16 {

#include "kernels/cpu/body/each_rows.hpp"
#include "kernels/cpu/body/elementwise.hpp"
#include "kernels/cpu/body/tensor_types.hpp"

// After those, which they use.
#include "kernels/cpu/body/bf16_channels.hpp"
// After that.
#include "kernels/cpu/body/bf16_panel.hpp"

namespace {

constexpr int kFewTokens = 2;  // whose sums leave registers for weights on their way
constexpr int kTokensMax = 8;  // with two vectors each: 16 sums, more than the latency of 2 a cycle

inline __m512bh load_pairs(const Bf16* pairs) { return __m512bh(_mm512_load_si512(pairs)); }

// A pair of values in all lanes.
inline __m512bh broadcast_pair(const Bf16* pair) {
  std::int32_t bits = 0;
  __builtin_memcpy(&bits, pair, sizeof bits);
  return __m512bh(_mm512_set1_epi32(bits));
}

// A half of one step of a panel, [16 channels][16 pairs of k], as [16 pairs][16 channels].
inline void load_transposed(const Bf16* half, __m512i (&rows)[16]) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_si512(half + i * kBf16Depth);
  transpose16(rows);
}

// A panel, whose halves are transposed while its stretches are in the first cache.
inline void expand_transposed(const Bf16Linear& op, std::int32_t column, Bf16* panel) {
  for_stretches(op.k, [&](Stretch stretch) {
    Bf16* begin = panel + std::ptrdiff_t{stretch.begin} * kPanel;
    expand_panel(op, column, stretch, begin, [] {});
    const Bf16* end = begin + std::ptrdiff_t{bf16_padded_k(stretch.count)} * kPanel;
    for (Bf16* half = begin; half < end; half += kStep / 2) {
      __m512i rows[16];
      load_transposed(half, rows);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) _mm512_store_si512(half + i * kBf16Depth, rows[i]);
    }
  });
}

// Channels of the next layer's x: pairs of one channel and the next, as they lie there.
inline __m256i pairs_of(Vec channels) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(channels));
}

// Sixteen channels of one token into the next layer's x, a pair every `tokens` pairs.
inline void put_pairs(Bf16* out, std::int32_t tokens, __m256i pairs) {
  if (tokens == 1) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), pairs);
  const __m256i apart =
      _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(tokens));
  _mm256_i32scatter_epi32(out, apart, pairs, 4);
}

// What becomes of the sums of a panel's channels, for some tokens of a tile of `tokens`.
struct Finish {
  const Bf16Linear& op;
  std::int32_t first;  // row of x and y that begins the tile
  std::int32_t tokens;

  template <int Tokens>
  void put(std::int32_t token, std::int32_t column, const Vec (&sum)[Tokens][2]) const {
    if (op.up != nullptr) return put_gated(token, column, sum);
    float* y = op.y + static_cast<std::ptrdiff_t>(first + token) * op.n + column;
    for (int t = 0; t < Tokens; ++t, y += op.n) {
      put_row(op, y, column, sum[t][0]);
      put_row(op, y + kHalf, column + kHalf, sum[t][1]);
    }
  }

  // Eight tokens change places with eight pairs, which makes each pair's tokens one store.
  template <int Tokens>
  void put_gated(std::int32_t token, std::int32_t column, const Vec (&sum)[Tokens][2]) const {
    Bf16* out =
        op.packed_y + std::ptrdiff_t{first} * bf16_padded_k(op.n) + column * tokens + token * 2;
    __m256i rows[Tokens];
#pragma GCC unroll 8
    for (int t = 0; t < Tokens; ++t) rows[t] = pairs_of(short_gated(sum[t][0], sum[t][1]));
    if constexpr (Tokens == 8) {
      transpose8(rows);
      for (int pair = 0; pair < 8; ++pair)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + pair * 2 * tokens), rows[pair]);
    } else {
      for (int t = 0; t < Tokens; ++t) put_pairs(out + 2 * t, tokens, rows[t]);
    }
  }
};

// One panel times one tile of up to 16 tokens.
struct PanelTimesTile {
  const Finish& finish;
  const Bf16* panel;  // [padded k / 32][2][16 pairs][16 channels][2]
  const Bf16* x;      // [padded k / 2 pairs][tokens][2]
  std::int32_t column;

  template <int Tokens>
  void rows(std::int32_t token) const {
    const Bf16* from = x + token * 2;
    const Bf16* end = panel + std::ptrdiff_t{kPanel} * bf16_padded_k(finish.op.k);
    Vec sum[Tokens][2] = {};
    for (const Bf16* weights = panel; weights < end; weights += kStep) {
#pragma GCC unroll 16
      for (int pair = 0; pair < 16; ++pair, from += 2 * finish.tokens) {
        const __m512bh low = load_pairs(weights + pair * 32);
        const __m512bh high = load_pairs(weights + kStep / 2 + pair * 32);
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) {
          const __m512bh values = broadcast_pair(from + 2 * t);
          sum[t][0] = _mm512_dpbf16_ps(sum[t][0], low, values);
          sum[t][1] = _mm512_dpbf16_ps(sum[t][1], high, values);
        }
      }
    }
    finish.put(token, column, sum);
  }
};

inline void many_tokens(const Bf16Linear& op, std::int32_t begin, std::int32_t end, Bf16* panels) {
  const std::int32_t padded = bf16_padded_k(op.k);
  const std::int32_t columns = bf16_panel_columns(op);
  const std::ptrdiff_t panel_values = std::ptrdiff_t{kPanel} * padded;
  for (std::int32_t column = begin; column < end; column += columns)
    expand_transposed(op, column, panels + (column - begin) / columns * panel_values);
  for (std::int32_t first = 0; first < op.rows; first += kBf16Tokens) {
    const std::int32_t left = op.rows - first;
    const Finish finish{op, first, left < kBf16Tokens ? left : kBf16Tokens};
    const Bf16* x = op.x + first * std::ptrdiff_t{padded};
    const Bf16* panel = panels;
    for (std::int32_t column = begin; column < end; column += columns, panel += panel_values)
      each_rows<kTokensMax>(finish.tokens, PanelTimesTile{finish, panel, x, column});
  }
}

// A stretch of Panels panels, each [steps][2][16 channels][16 pairs], times a few tokens. The
// halves of panels are transposed on their way, and their sums do not wait for each other.
template <int Panels>
struct StretchTimesTokens {
  const Bf16* panels;
  const Bf16* x;        // [pairs][tokens][2] of the stretch
  std::int32_t values;  // of k, in whole steps
  Vec (&sums)[kFewTokens][2 * Panels];

  template <int Tokens>
  void rows(std::int32_t) const {
    Vec sum[Tokens][2 * Panels];
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t) {
#pragma GCC unroll 4
      for (int i = 0; i < 2 * Panels; ++i) sum[t][i] = sums[t][i];
    }
    for (std::int32_t k = 0; k < values; k += kBf16Depth) {
#pragma GCC unroll 4
      for (int i = 0; i < 2 * Panels; ++i) {
        const Bf16* half = panels + i / 2 * kStretch * kPanel + k * kPanel + i % 2 * kStep / 2;
        __m512i w[16];
        load_transposed(half, w);
#pragma GCC unroll 16
        for (int pair = 0; pair < 16; ++pair) {
#pragma GCC unroll 4
          for (int t = 0; t < Tokens; ++t) {
            const __m512bh value = broadcast_pair(x + ((k / 2 + pair) * Tokens + t) * 2);
            sum[t][i] = _mm512_dpbf16_ps(sum[t][i], __m512bh(w[pair]), value);
          }
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t) {
#pragma GCC unroll 4
      for (int i = 0; i < 2 * Panels; ++i) sums[t][i] = sum[t][i];
    }
  }
};

template <int Panels>
inline void few_tokens(const Bf16Linear& op, std::int32_t column, Bf16* panels) {
  const std::int32_t columns = bf16_panel_columns(op);
  Vec sums[kFewTokens][2 * Panels] = {};
  for_stretches(op.k, [&](Stretch stretch) {
    for (int i = 0; i < Panels; ++i)
      expand_panel(op, column + i * columns, stretch, panels + i * kStretch * kPanel, [] {});
    const Bf16* x = op.x + std::ptrdiff_t{stretch.begin} * op.rows;
    const std::int32_t values = bf16_padded_k(stretch.count);
    rows_at_once<kFewTokens>(op.rows, 0, StretchTimesTokens<Panels>{panels, x, values, sums});
  });
  const Finish finish{op, 0, op.rows};
  for (std::int32_t t = 0; t < op.rows; ++t) {
    for (int i = 0; i < Panels; ++i) {
      const Vec sum[1][2] = {{sums[t][2 * i], sums[t][2 * i + 1]}};
      finish.put(t, column + i * columns, sum);
    }
  }
}

}  // namespace

void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  // The next layer's x is padded with channels of zeros.
  if (op.up != nullptr && end == op.n) end = bf16_padded_k(op.n);
  auto* panels = reinterpret_cast<Bf16*>(scratch);
  if (op.rows > kFewTokens) return many_tokens(op, begin, end, panels);
  const std::int32_t columns = bf16_panel_columns(op);
  for (; begin + columns < end; begin += 2 * columns) few_tokens<2>(op, begin, panels);
  if (begin < end) few_tokens<1>(op, begin, panels);
}

}  // namespace troupe::kernels::avx512_bf16

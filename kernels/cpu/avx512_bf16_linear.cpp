// BF16 layers by VDPBF16PS, for CPUs that have it at full speed and no tile unit. Panels of 32
// channels are expanded once for all tokens; each of their rows is multiplied by rows of x, up to
// four tokens at a time.
//
// A sum adds pairs of k in sixteen lanes, ascending in each, and then the lanes by halves, whatever
// tokens stand beside it. Source: Intel 64 and IA-32 manual, volume 2, VDPBF16PS.
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

constexpr int kTokensMax = 4;  // with kChannels each: 16 sums, more than the latency of 2 a cycle
constexpr int kChannels = 4;

inline __m512bh load_pairs(const Bf16* pairs) { return __m512bh(_mm512_loadu_si512(pairs)); }

// A tile of x, [pairs of k][tokens], as rows [tokens][padded k]; that of one token is a row.
inline const Bf16* rows_of_tile(const Bf16* tile,
                                std::int32_t tokens,
                                std::int32_t padded,
                                Bf16* rows) {
  if (tokens == 1) return tile;
  const __mmask16 mask = static_cast<__mmask16>((1U << tokens) - 1U);
  for (std::ptrdiff_t k = 0; k < padded; k += kBf16Depth) {
    __m512i pairs[16];
#pragma GCC unroll 16
    for (int p = 0; p < 16; ++p)
      pairs[p] = _mm512_maskz_loadu_epi32(mask, tile + (k + 2 * p) * tokens);
    transpose16(pairs);
    for (std::int32_t t = 0; t < tokens; ++t)
      _mm512_storeu_si512(rows + std::ptrdiff_t{t} * padded + k, pairs[t]);
  }
  return rows;
}

// The BF16 of sixteen channels of one token into the next layer's x, a pair every `tokens` pairs.
inline void put_pairs(Bf16* out, std::int32_t tokens, Vec value) {
  if (tokens == 1) return store_bf16(out, value);
  const __m256i apart =
      _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(tokens));
  _mm256_i32scatter_epi32(out, apart, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)), 4);
}

// One panel times one tile of up to 16 tokens.
struct PanelTimesTile {
  const Bf16Linear& op;
  const Bf16* panel;  // [padded k / 32][32 channels][32]
  const Bf16* x;      // [tokens, padded k]
  std::int32_t column;
  std::int32_t first;  // row of x and y that begins the tile
  std::int32_t tokens;

  template <int Tokens>
  void rows(std::int32_t token) const {
    alignas(64) float sums[Tokens][kPanel];
    for (int channel = 0; channel < kPanel; channel += kChannels)
      add_up<Tokens>(token, channel, sums);
    for (int t = 0; t < Tokens; ++t) put(token + t, load(sums[t]), load(sums[t] + kHalf));
  }

  template <int Tokens>
  void add_up(std::int32_t token, int channel, float (&sums)[Tokens][kPanel]) const {
    const std::ptrdiff_t padded = bf16_padded_k(op.k);
    const Bf16* from = x + token * padded;
    const Bf16* weights = panel + channel * kBf16Depth;
    Vec sum[Tokens][kChannels] = {};
    for (std::ptrdiff_t k = 0; k < padded; k += kBf16Depth, weights += kStep) {
      __m512bh w[kChannels];
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) w[c] = load_pairs(weights + c * kBf16Depth);
#pragma GCC unroll 4
      for (int t = 0; t < Tokens; ++t) {
        const __m512bh values = load_pairs(from + t * padded + k);
#pragma GCC unroll 4
        for (int c = 0; c < kChannels; ++c) sum[t][c] = _mm512_dpbf16_ps(sum[t][c], w[c], values);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t)
      _mm_store_ps(sums[t] + channel, sum_lanes4(sum[t][0], sum[t][1], sum[t][2], sum[t][3]));
  }

  void put(std::int32_t token, Vec low, Vec high) const {
    if (op.up != nullptr) {
      Bf16* tile = op.packed_y + std::ptrdiff_t{first} * bf16_padded_k(op.n);
      put_pairs(tile + column * tokens + token * 2, tokens, gated(low, high));
      return;
    }
    float* y = op.y + static_cast<std::ptrdiff_t>(first + token) * op.n + column;
    put_row(op, y, column, low);
    put_row(op, y + kHalf, column + kHalf, high);
  }
};

}  // namespace

void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  // The next layer's x is padded with channels of zeros.
  if (op.up != nullptr && end == op.n) end = bf16_padded_k(op.n);
  const std::int32_t padded = bf16_padded_k(op.k);
  const std::int32_t columns = bf16_panel_columns(op);
  const std::ptrdiff_t panel_values = std::ptrdiff_t{kPanel} * padded;
  auto* panels = reinterpret_cast<Bf16*>(scratch);
  for (std::int32_t column = begin; column < end; column += columns) {
    Bf16* panel = panels + (column - begin) / columns * panel_values;
    expand_whole(op, column, panel);
  }
  Bf16* rows = panels + kBf16Panels * panel_values;
  for (std::int32_t first = 0; first < op.rows; first += kBf16Tokens) {
    const std::int32_t left = op.rows - first;
    const std::int32_t tokens = left < kBf16Tokens ? left : kBf16Tokens;
    const Bf16* x = rows_of_tile(op.x + first * std::ptrdiff_t{padded}, tokens, padded, rows);
    for (std::int32_t column = begin; column < end; column += columns) {
      const Bf16* panel = panels + (column - begin) / columns * panel_values;
      each_rows<kTokensMax>(tokens, PanelTimesTile{op, panel, x, column, first, tokens});
    }
  }
}

}  // namespace troupe::kernels::avx512_bf16

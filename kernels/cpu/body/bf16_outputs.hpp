// From the sums of 32 channels × 32 tokens, in tiles 0 to 3, to outputs. Included by amx_bf16.cpp
// only, after bf16_channels.hpp.
#pragma once

namespace {

// Two tiles of tokens, the second of which may be empty.
struct Tokens {
  std::int32_t row;  // of x and y
  std::int32_t first;
  std::int32_t second;
};

// y[row … row + tokens, column … column + 16) from sums[16 channels][32].
inline void finish(const Bf16Linear& op,
                   std::int32_t row,
                   std::int32_t tokens,
                   std::int32_t column,
                   const float* sums) {
  __m512i rows[16];
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) rows[j] = _mm512_load_si512(sums + j * 32);
  transpose16(rows);
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.n + column;
  for (std::int32_t t = 0; t < tokens; ++t, y += op.n)
    put_row(op, y, column, _mm512_castsi512_ps(rows[t]));
}

// Channels column + pair and the next one of packed_y, from sums[16 gates, 16 ups][32]: sums have
// the order of the next layer's x already.
inline void finish_pair(const Bf16Linear& op,
                        std::int32_t row,
                        std::int32_t tokens,
                        std::int32_t column,
                        std::int32_t pair,
                        const float* sums) {
  const std::ptrdiff_t padded = bf16_padded_k(op.n);
  auto* out = reinterpret_cast<std::int32_t*>(op.packed_y + row * padded) +
              static_cast<std::ptrdiff_t>((column + pair) / 2) * tokens;
  const float* gate = sums + pair * 32;
  const float* up = gate + 512;
  const Vec even = short_gated(load(gate), load(up));
  const Vec odd = short_gated(load(gate + 32), load(up + 32));
  const __m512i pairs = _mm512_or_si512(round_bf16(even), _mm512_slli_epi32(round_bf16(odd), 16));
  _mm512_mask_storeu_epi32(out, first_lanes(tokens), pairs);
}

// A single token: its sums lie one after the other when they are stored so.
inline void finish_token(const Bf16Linear& op, std::int32_t column) {
  alignas(64) float sums[kPanel];
  _tile_stored(0, sums, 4);
  _tile_stored(2, sums + kHalf, 4);
  const Vec low = load(sums);
  const Vec high = load(sums + kHalf);
  if (op.up != nullptr) {
    store_bf16(op.packed_y + column, short_gated(low, high));
  } else {
    put_row(op, op.y + column, column, low);
    put_row(op, op.y + column + kHalf, column + kHalf, high);
  }
}

// Outputs that stored sums have still to become, in pieces that fit between two steps.
struct Outputs {
  const Bf16Linear* op;
  Tokens tokens;
  std::int32_t column;
  const float* sums;  // [32 channels][32 tokens]
  std::int32_t left;  // pieces

  void one() {
    if (left == 0) return;
    --left;
    const std::int32_t per_half = op->up != nullptr ? kHalf / 2 : 2;
    const std::int32_t half = left / per_half;
    const std::int32_t piece = left % per_half;
    const std::int32_t count = half == 0 ? tokens.first : tokens.second;
    const std::int32_t row = tokens.row + half * kHalf;
    const float* from = sums + half * kHalf;
    if (op->up != nullptr) {
      finish_pair(*op, row, count, column, 2 * piece, from);
    } else {
      finish(*op, row, count, column + piece * kHalf, from + piece * 512);
    }
  }

  void all() {
    while (left > 0) one();
  }
};

inline Outputs store_sums(const Bf16Linear& op,
                          const Tokens& tokens,
                          std::int32_t column,
                          float* sums) {
  _tile_stored(0, sums, 128);
  _tile_stored(2, sums + 512, 128);
  if (tokens.second != 0) {
    _tile_stored(1, sums + 16, 128);
    _tile_stored(3, sums + 528, 128);
  }
  const std::int32_t halves = tokens.second != 0 ? 2 : 1;
  return {&op, tokens, column, sums, halves * (op.up != nullptr ? kHalf / 2 : 2)};
}

inline void finish_block(const Bf16Linear& op, const Tokens& tokens, std::int32_t column) {
  if (op.rows == 1) return finish_token(op, column);
  alignas(64) float sums[kPanel * 32];
  store_sums(op, tokens, column, sums).all();
}

}  // namespace

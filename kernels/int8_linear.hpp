// Linear layer on int8 weights (one scale a column of y) and int8 activations (one scale a row).
#pragma once

#include <cstdint>

#include "kernels/bf16_layout.hpp"
#include "kernels/int8_layout.hpp"

namespace troupe::kernels {

// A packed matrix; see int8_layout.hpp. Padding holds zeros.
struct Int8Weights {
  const std::int8_t* tiles = nullptr;  // [padded_n / 32][padded_k / 64][2][16][16][4]
  const float* scales = nullptr;       // [padded_n]
  const std::int32_t* sums = nullptr;  // [padded_n]: 128 · Σ of a column, for unsigned products
  std::int32_t n = 0;
  std::int32_t k = 0;
};

// What becomes of a column's value. kAdd: y += value, for the residual stream. kSiluMul: panels of
// 32 columns hold 16 of a gate and the 16 of `up` that belong to them, and silu(gate) · up, rounded
// to BF16, has half as many columns: Shazeer, arxiv.org/abs/2002.05202. It is rounded to int8 next,
// which costs a hundred times as much accuracy; half the bytes stay in the second cache.
enum class Int8Output : std::uint8_t { kStore, kAdd, kSiluMul };

// value[r, j] = float(Σ_k x[r, k] · w[j, k]) · (x_scale[r] · scales[j]) (+ bias[j]).
//
// The sum is an exact int32 and each operation after it is rounded once, in the order written:
// bits depend neither on `rows`, the tiling, the threads nor (but for the exponential of kSiluMul)
// the instruction set.
//
// Cost: n·k bytes of weights are read once for 2·rows·n·k operations. Up to some 50 rows it is
// bound by memory, above that by the tile unit (or, without one, by vector dot products).
struct Int8Linear {
  Int8Weights weights;
  const std::int8_t* x = nullptr;  // [int8_padded_rows(rows), padded_k]; what is in rows beyond
                                   // `rows` does not matter
  const float* x_scale = nullptr;  // [rows]
  const float* bias = nullptr;     // [n], or null
  float* y = nullptr;              // [rows, y_stride]; not for kSiluMul
  Bf16* gated = nullptr;           // [rows, y_stride], for kSiluMul
  std::int32_t rows = 0;
  std::int32_t y_stride = 0;  // values from row to row, at least n (half of it for kSiluMul)
  Int8Output output = Int8Output::kStore;
};

}  // namespace troupe::kernels

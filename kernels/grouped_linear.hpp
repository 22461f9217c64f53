// Linear layer on weights of 4, 5 or 8 bits that keep a model file's own grid, and on x rounded to
// int8 in groups of 32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/grouped_layout.hpp"

namespace troupe::kernels {

// w[column, k] = scale · q + minimum, with scale and minimum of the column's group of 32.
struct GroupedWeights {
  const std::byte* blocks = nullptr;  // see grouped_layout.hpp, 64-byte aligned
  std::int32_t bits = 4;              // 4, 5 or 8
  std::int32_t n = 0;
  std::int32_t k = 0;
};

// y[r, j] = Σ_k x[r, k] · w[j, k] (+ bias[j]) (+ y[r, j]).
//
// Each group of 32 values of x is rounded to q8 = x · (127 / max|x|), to nearest, ties to even,
// with scale = max|x| / 127 and sum = scale · Σ q8. For each group in ascending order:
//   total = fma(Σ q8 · q, x_scale · w_scale, total), then total = fma(x_sum, minimum, total).
// Sums of a group are exact integers and every other operation is rounded once, so bits depend
// neither on `rows`, the tiling, the threads nor the instruction set. A group of x that is not
// finite makes its row's outputs not a number.
//
// Cost: 5, 6 or 9 bits of each weight are read once for 2·rows·n·k operations. Few rows are bound
// by memory; many by vector dot products, in blocks of four rows that share the unpacking.
struct GroupedLinear {
  GroupedWeights weights;
  const float* x = nullptr;     // [rows, k]
  const float* bias = nullptr;  // [n], or null
  float* y = nullptr;           // [rows, n]
  std::int32_t rows = 0;
  bool accumulate = false;  // y += …, for the residual stream
};

// Rows of x, rounded; k is padded with zeros.
struct GroupedInput {
  std::int8_t* q = nullptr;  // [rows, grouped_padded_k(k)]
  float* scale = nullptr;    // [rows, grouped_padded_k(k) / 32]
  float* sum = nullptr;      // [rows, grouped_padded_k(k) / 32]
};

}  // namespace troupe::kernels

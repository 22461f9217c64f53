// Rotates the rows of an activation and rounds them to int8, the input of an int8 linear layer;
// before that, where asked for, normalises them.
// Rotation spreads outliers over a block: Ashkboos et al., "QuaRot", arxiv.org/abs/2404.00456
#pragma once

#include <cstdint>

#include "kernels/bf16_layout.hpp"
#include "kernels/int8_layout.hpp"

namespace troupe::kernels {

// With `norm` a row is x / sqrt(mean(x²) + epsilon) · norm first, in the operations of
// rms_norm.hpp.
//
// Each block of 64 values becomes block · H / 8, H being the Hadamard matrix of order 64 in
// Sylvester's form, by butterflies of stride 1, 2, 4 … 32; values beyond k count as zeros. Then
// whole blocks are mixed: while a factor 2 of their number is left, pairs (a, b) at that stride
// become (a + b, a - b) / √2; while a factor 3 is left, triples lose two thirds of their sum
// (a reflection: Householder). All this is orthogonal; pack weights with it too. At last
// scale = max|x| / 127 and q = x · (127 / max|x|), rounded to nearest, ties to even.
//
// Every step is one rounded FP32 operation in a stated order, so that all backends give the same
// bits (but for the sum of the norm, whose order is that of the vector width). A row that is not
// finite gets q = 0 and a scale that is not a number, which its outputs inherit; a row below
// kQuantizeLeast gets zeros.
//
// Cost: 5 bytes and 8 operations a value; bound by cache bandwidth.
struct Quantize {
  const float* x = nullptr;     // [rows, x_stride], the first k of each row
  const Bf16* gated = nullptr;  // the same in BF16, instead of x; without a norm
  const float* norm = nullptr;  // [k], or null
  std::int8_t* q = nullptr;     // [rows, int8_padded_k(k)]
  float* scale = nullptr;       // [rows]
  std::int32_t rows = 0;
  std::int32_t k = 0;
  std::int32_t x_stride = 0;  // values from row to row, at least k
  float epsilon = 1e-5F;
};

inline constexpr float kMixPair = 0.70710678F;    // 1 / √2
inline constexpr float kMixTriple = 0.66666667F;  // 2 / 3
inline constexpr float kQuantizeLeast = 1e-30F;   // 127 / max must stay finite

}  // namespace troupe::kernels

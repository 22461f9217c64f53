// Rounds rows of FP32 to BF16 in the order that a BF16 linear layer reads, normed or as they are.
#pragma once

#include <cstdint>

#include "kernels/bf16_layout.hpp"

namespace troupe::kernels {

// With `norm_weight` each row is normalised first, with the operations of RmsNorm (rms_norm.hpp).
// Rounds to nearest, ties to even; denormals become zero.
//
// Cost: 6 bytes and up to 5 operations a value; bound by cache bandwidth.
struct PackBf16 {
  const float* x = nullptr;            // [rows, k]
  const float* norm_weight = nullptr;  // [k], or null
  Bf16* out = nullptr;                 // [rows, padded k] in the order of bf16_layout.hpp
  std::int32_t rows = 0;
  std::int32_t k = 0;
  float epsilon = 1e-5F;
};

}  // namespace troupe::kernels

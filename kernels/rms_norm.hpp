// Root-mean-square normalisation of each row: y = x / sqrt(mean(x²) + epsilon) · weight.
// Zhang and Sennrich, "Root Mean Square Layer Normalization", arxiv.org/abs/1910.07467
#pragma once

#include <cstdint>

namespace troupe::kernels {

// Cost: 8 bytes and 4 operations a value; bound by cache bandwidth. `y` may be `x`.
struct RmsNorm {
  const float* x = nullptr;       // [rows, k]
  const float* weight = nullptr;  // [k]
  float* y = nullptr;             // [rows, k]
  std::int32_t rows = 0;
  std::int32_t k = 0;
  float epsilon = 1e-5F;
};

}  // namespace troupe::kernels

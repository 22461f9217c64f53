// Linear layer: y = x · Wᵀ (+ bias) (+ y), with weights in any storage type of a model file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/tensor_type.hpp"

namespace troupe::kernels {

// Every y[r, j] has one order of additions, whatever `rows`, the tiling or the thread count are.
// Weights are expanded to the FP32 value that their block states, activations and sums are FP32.
//
// Cost: n·k weights are read once (bytes by type: Q4_1 0.625, Q5_0 0.6875, Q8_0 1.0625 each) for
// 2·rows·n·k operations. One row is bound by expanding weights (about 5 cycles for 32 of them and
// thread), then by memory; from about 16 rows on by FP32 FMA.
struct Linear {
  TensorType type = TensorType::kF32;
  const std::byte* weights = nullptr;  // [n, k], rows of whole blocks
  const float* x = nullptr;            // [rows, k]
  const float* bias = nullptr;         // [n], or null
  float* y = nullptr;                  // [rows, n]
  std::int32_t rows = 0;
  std::int32_t k = 0;  // a multiple of the type's block
  std::int32_t n = 0;
  bool accumulate = false;  // y += …, for the residual stream
};

// Bytes of one row of `k` weights.
std::size_t row_bytes(TensorType type, std::int32_t k);

}  // namespace troupe::kernels

// Linear layer on BF16 activations and weights in any storage type of a model file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/bf16_layout.hpp"
#include "kernels/tensor_type.hpp"

namespace troupe::kernels {

// y = x · Wᵀ (+ bias) (+ y). Weights are expanded to the FP32 value that their block states and
// rounded to BF16; products are summed in FP32 as TDPBF16PS does, whatever `rows` is: every
// y[r, j] has one order of additions, for any tiling and number of threads.
//
// With `up` the layer is the gate of a SwiGLU: silu(x · Wᵀ) · (x · Upᵀ), rounded to BF16 into
// `packed_y`, the x of the next layer; bias, y and accumulate are not used then.
//
// Cost: the file's bytes of n·k weights are read and expanded once (4 to 8 cycles for 32 of them)
// for 2·rows·n·k operations. One row is bound by expanding and by memory; from about 32 rows on the
// tile unit is the bound.
struct Bf16Linear {
  TensorType type = TensorType::kF32;
  TensorType up_type = TensorType::kF32;
  const std::byte* weights = nullptr;  // [n, k], rows of whole blocks
  const std::byte* up = nullptr;       // [n, k], or null
  const Bf16* x = nullptr;             // [rows, padded k] in the order of bf16_layout.hpp
  const float* bias = nullptr;         // [n], or null
  float* y = nullptr;                  // [rows, n]
  Bf16* packed_y = nullptr;            // [rows, padded n] in that order, padding zeroed
  std::int32_t rows = 0;
  std::int32_t k = 0;  // a multiple of the type's block
  std::int32_t n = 0;
  bool accumulate = false;  // y += …, for the residual stream
};

}  // namespace troupe::kernels

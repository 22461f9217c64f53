// Embedding lookup: copies one row of a table for each token, expanded to FP32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/tensor_type.hpp"

namespace troupe::kernels {

// Cost: `tokens` rows of k values; bound by memory, and never noticeable.
struct Embedding {
  TensorType type = TensorType::kF32;
  const std::byte* table = nullptr;   // [vocab, k]
  const std::int32_t* ids = nullptr;  // [tokens], each in [0, vocab)
  float* out = nullptr;               // [tokens, k]
  std::int32_t tokens = 0;
  std::int32_t k = 0;
};

}  // namespace troupe::kernels

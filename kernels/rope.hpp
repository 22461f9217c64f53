// Rotary position embedding, in place. Su et al., "RoFormer", arxiv.org/abs/2104.09864
#pragma once

#include <cstdint>

namespace troupe::kernels {

// Cost: 8 bytes and 6 operations a pair; bound by cache bandwidth.
struct Rope {
  float* x = nullptr;          // [tokens, heads, head_dim]
  const float* cos = nullptr;  // [tokens, head_dim / 2]
  const float* sin = nullptr;  // [tokens, head_dim / 2]
  std::int32_t tokens = 0;
  std::int32_t heads = 0;
  std::int32_t head_dim = 0;  // even
  bool interleaved = false;   // pairs are (0, 1), (2, 3), …; else (i, i + head_dim / 2)
};

}  // namespace troupe::kernels

// The gate of a SwiGLU layer: out = gate · sigmoid(gate) · up. Shazeer, arxiv.org/abs/2002.05202
#pragma once

#include <cstdint>

namespace troupe::kernels {

// Cost: 12 bytes and about 20 operations a value; bound by FMA. `out` may be `gate`.
struct SiluMul {
  const float* gate = nullptr;  // [values]
  const float* up = nullptr;    // [values]
  float* out = nullptr;         // [values]
  std::int64_t values = 0;
};

}  // namespace troupe::kernels

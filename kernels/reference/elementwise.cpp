#include <cmath>

#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {

void rms_norm(const RmsNorm& op, std::int32_t begin, std::int32_t end) {
  for (std::int32_t r = begin; r < end; ++r) {
    const float* x = op.x + std::ptrdiff_t{r} * op.k;
    float* y = op.y + std::ptrdiff_t{r} * op.k;
    double squares = 0;
    for (std::int32_t i = 0; i < op.k; ++i)
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double scale = 1.0 / std::sqrt(squares / op.k + static_cast<double>(op.epsilon));
    for (std::int32_t i = 0; i < op.k; ++i) {
      y[i] = static_cast<float>(static_cast<double>(x[i]) * scale) * op.weight[i];
    }
  }
}

void silu_mul(const SiluMul& op, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const auto gate = static_cast<double>(op.gate[i]);
    op.out[i] = static_cast<float>(gate / (1.0 + std::exp(-gate)) * static_cast<double>(op.up[i]));
  }
}

}  // namespace troupe::kernels::reference

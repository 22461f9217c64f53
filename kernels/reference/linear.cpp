#include "kernels/linear.hpp"

#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {
namespace {

double dot(const float* x, const float* w, std::int32_t k) {
  double sum = 0;
  for (std::int32_t i = 0; i < k; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(w[i]);
  return sum;
}

}  // namespace

void linear(const Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  const std::size_t bytes = row_bytes(op.type, op.k);
  const auto k = static_cast<std::size_t>(op.k);
  const auto n = static_cast<std::size_t>(op.n);
  for (auto j = static_cast<std::size_t>(begin); j < static_cast<std::size_t>(end); ++j) {
    expand_row(op.type, op.weights + j * bytes, op.k, scratch);
    for (std::size_t r = 0; r < static_cast<std::size_t>(op.rows); ++r) {
      auto sum = static_cast<float>(dot(op.x + r * k, scratch, op.k));
      if (op.bias != nullptr) sum += op.bias[j];
      float& y = op.y[r * n + j];
      y = op.accumulate ? y + sum : sum;
    }
  }
}

}  // namespace troupe::kernels::reference

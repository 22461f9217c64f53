#include "kernels/cpu/avx2_expand.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx2 {

#include "kernels/cpu/body/linear.hpp"

void expand_row(TensorType type, const std::byte* row, std::int32_t k, float* out) {
  expand(type, reinterpret_cast<const std::uint8_t*>(row), k, out);
}

void linear(const Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  linear_columns(op, begin, end, scratch);
}

}  // namespace troupe::kernels::avx2

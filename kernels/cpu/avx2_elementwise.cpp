#include "kernels/cpu/avx2_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx2 {

#include "kernels/cpu/body/elementwise.hpp"
#include "kernels/cpu/body/rope_append.hpp"

void rms_norm(const RmsNorm& op, std::int32_t begin, std::int32_t end) {
  for (std::int32_t row = begin; row < end; ++row) rms_norm_row(op, row);
}

void rope_append(const RopeAppend& op, const RopeAppendTile& tile, float* scratch) {
  rope_append_tile(op, tile, scratch);
}

void silu_mul(const SiluMul& op, std::int64_t begin, std::int64_t end) {
  silu_mul_range(op, begin, end);
}

}  // namespace troupe::kernels::avx2

#include "kernels/cpu/avx2_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx2 {

#include "kernels/cpu/body/attention.hpp"

void attention(const Attention& op, const AttentionTile& tile, float* scratch) {
  attend(op, tile, scratch);
}

}  // namespace troupe::kernels::avx2

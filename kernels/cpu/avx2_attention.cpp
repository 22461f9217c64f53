#include "kernels/cpu/avx2_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx2 {

#include "kernels/cpu/body/attention.hpp"

}  // namespace troupe::kernels::avx2

#include "kernels/cpu/avx512_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx512 {

#include "kernels/cpu/body/attention.hpp"

}  // namespace troupe::kernels::avx512

#include <immintrin.h>

#include "apps/calibration_loop.hpp"
#include "apps/calibration_vectors.hpp"

namespace troupe::apps::avx512 {

void run_fma(std::uint64_t rounds) {
  run_loop<kAvx512Products>(rounds, _mm512_set1_ps(1.0F), [](__m512 sum, __m512 x) {
    return _mm512_fmadd_ps(x, x, sum);
  });
}

}  // namespace troupe::apps::avx512

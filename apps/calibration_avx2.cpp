#include <immintrin.h>

#include "apps/calibration_loop.hpp"
#include "apps/calibration_vectors.hpp"

namespace troupe::apps::avx2 {

void run_int8(std::uint64_t rounds) {
  run_loop<kAvx2Products>(rounds, _mm256_set1_epi16(1), [](__m256i sum, __m256i x) {
    return _mm256_madd_epi16(sum, x);
  });
}

void run_fma(std::uint64_t rounds) {
  run_loop<kAvx2Products>(rounds, _mm256_set1_ps(1.0F), [](__m256 sum, __m256 x) {
    return _mm256_fmadd_ps(x, x, sum);
  });
}

}  // namespace troupe::apps::avx2

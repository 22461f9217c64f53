#include <immintrin.h>

#include "apps/calibration_loop.hpp"
#include "apps/calibration_vectors.hpp"

namespace troupe::apps::avx2 {

void run_vnni(std::uint64_t rounds) {
  run_loop<kAvx2Products>(rounds, _mm256_set1_epi8(1), [](__m256i sum, __m256i x) {
    return _mm256_dpbusd_avx_epi32(sum, x, x);
  });
}

}  // namespace troupe::apps::avx2

#include <immintrin.h>

#include "apps/calibration_loop.hpp"
#include "apps/calibration_vectors.hpp"

namespace troupe::apps::avx512 {

void run_vnni(std::uint64_t rounds) {
  run_loop<kAvx512Products>(rounds, _mm512_set1_epi8(1), [](__m512i sum, __m512i x) {
    return _mm512_dpbusd_epi32(sum, x, x);
  });
}

}  // namespace troupe::apps::avx512

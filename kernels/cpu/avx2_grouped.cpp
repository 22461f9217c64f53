// Grouped layers by VPMADDUBSW, which saturates above 16 bits: weights of up to 5 bits stay far
// below, those of 8 bits are multiplied in halves.
#include <immintrin.h>

#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx2 {
namespace {

inline __m256i add_small_dots(__m256i sum, __m256i unsigned_bytes, __m256i x) {
  const __m256i pairs = _mm256_maddubs_epi16(unsigned_bytes, x);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

inline __m256i add_byte_dots(__m256i sum, __m256i unsigned_bytes, __m256i x) {
  const __m256i low = _mm256_set1_epi8(0x0F);
  const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(unsigned_bytes, 4), low);
  const __m256i sixteenths = add_small_dots(_mm256_setzero_si256(), upper, x);
  const __m256i lower = add_small_dots(sum, _mm256_and_si256(unsigned_bytes, low), x);
  return _mm256_add_epi32(lower, _mm256_slli_epi32(sixteenths, 4));
}

constexpr int kFoursAtOnce = 1;  // what two products need fills the registers

}  // namespace

#include "kernels/cpu/body/grouped_256.hpp"

namespace {

// 32 values; those at and beyond k are zero.
inline void group_one(const float* x, std::int32_t left, std::int8_t* q, float* scale, float* sum) {
  constexpr std::int32_t kInfinity = 0x7F800000;
  constexpr float kLeast = 1e-30F;
  alignas(32) float values[32] = {};
  for (std::int32_t i = 0; i < 32 && i < left; ++i) values[i] = x[i];
  __m256i highest = _mm256_setzero_si256();
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  for (int i = 0; i < 32; i += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_load_ps(values + i));
    highest = _mm256_max_epi32(highest, _mm256_and_si256(bits, magnitude));
  }
  alignas(32) std::int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), highest);
  std::int32_t bits = 0;
  for (const std::int32_t lane : lanes) bits = lane > bits ? lane : bits;
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  if (bits >= kInfinity || largest < kLeast) {
    __builtin_memset(q, 0, 32);
    *scale = *sum = bits >= kInfinity ? __builtin_nanf("") : 0.0F;
    return;
  }
  const __m256 inverse = _mm256_set1_ps(127.0F / largest);
  std::int32_t total = 0;
  for (int i = 0; i < 32; i += 8) {
    const __m256 exact = _mm256_mul_ps(_mm256_load_ps(values + i), inverse);
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), _mm256_cvtps_epi32(exact));
    for (int j = 0; j < 8; ++j) {
      q[i + j] = static_cast<std::int8_t>(lanes[j]);
      total += lanes[j];
    }
  }
  *scale = largest / 127.0F;
  *sum = *scale * static_cast<float>(total);
}

}  // namespace

void group_rows(
    const float* x, std::int32_t k, const GroupedInput& out, std::int32_t begin, std::int32_t end) {
  const std::ptrdiff_t groups = 2 * std::ptrdiff_t{depths_of(k)};
  for (std::ptrdiff_t r = begin; r < end; ++r) {
    for (std::int32_t g = 0; g < groups; ++g) {
      const std::int32_t at = g * kGroupValues;
      group_one(x + r * k + (at < k ? at : 0),
                k - at,
                out.q + (r * groups + g) * kGroupValues,
                out.scale + r * groups + g,
                out.sum + r * groups + g);
    }
  }
}

void grouped_linear(const GroupedLinear& op,
                    const GroupedInput& x,
                    std::int32_t begin,
                    std::int32_t end) {
  grouped_columns(op, x, begin, end);
}

}  // namespace troupe::kernels::avx2

// Vectors of 16 floats. For the avx512_*.cpp files only; everything is in an unnamed namespace (see
// isa_kernels.hpp).
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

using Vec = __m512;

constexpr int kLanes = 16;
constexpr int kDotRows = 6;  // rows of x in one block of sums: 6 × 4 of 32 registers

inline Vec zero() { return _mm512_setzero_ps(); }

inline Vec broadcast(float x) { return _mm512_set1_ps(x); }

inline Vec load(const float* p) { return _mm512_loadu_ps(p); }

inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }

inline __mmask16 first_lanes(int count) { return static_cast<__mmask16>((1U << count) - 1U); }

// `count` < kLanes values, zeros above them; nothing beyond them is touched.
inline Vec load_first(const float* p, int count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), p);
}

inline void store_first(float* p, Vec v, int count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), v);
}

// The first `count` lanes of v; `other` above them.
inline Vec keep_first(Vec v, int count, Vec other) {
  return _mm512_mask_mov_ps(other, first_lanes(count), v);
}

inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }

inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }

inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }

inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }

inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }

// These two give b when either is not a number: keep constants in a.
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }

inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }

inline Vec round_to_int(Vec v) {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// 2^n for integral n in [-126, 127].
inline Vec power_of_two(Vec n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}

// 2^x to 3e-6 of its value, for what is rounded to BF16 next. x = n + f with 0 ≤ f < 1, and the
// polynomial for 2^f that has the least relative error with p(0) = 1 (found by reweighted least
// squares). Scaling by x takes its floor, which is n.
inline Vec short_power_of_two(Vec x) {
  constexpr int kAboveFloor = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
  const Vec f = _mm512_reduce_ps(x, kAboveFloor);
  Vec p = broadcast(0.0134266847F);
  p = fma(p, f, broadcast(0.0522424728F));
  p = fma(p, f, broadcast(0.241280198F));
  p = fma(p, f, broadcast(0.693044841F));
  p = fma(p, f, broadcast(1.0F));
  return _mm512_scalef_ps(p, x);
}

// gate · sigmoid(gate) · up to 4e-6 of its value, for what is rounded to BF16 next. The exponent's
// bound keeps the sum finite; one step of Newton's makes 14 bits of the reciprocal 28.
inline Vec short_gated(Vec gate, Vec up) {
  const Vec exponent = min(broadcast(125.0F), mul(gate, broadcast(-1.44269504F)));
  const Vec sum = add(broadcast(1.0F), short_power_of_two(exponent));
  const Vec first = _mm512_rcp14_ps(sum);
  const Vec reciprocal = mul(first, _mm512_fnmadd_ps(sum, first, broadcast(2.0F)));
  return mul(mul(gate, reciprocal), up);
}

// (0, 1), (2, 3), … change places.
inline Vec swap_pairs(Vec v) { return _mm512_permute_ps(v, 0xB1); }

// a + b in lanes whose stride bit is clear, a - b in the others; `partner` holds the other one of
// each pair. Lane signs are 1 and -1: the product is exact, so this is one addition.
inline Vec butterfly(Vec v, Vec partner, Vec signs) { return _mm512_fmadd_ps(v, signs, partner); }

inline Vec signs_of(__mmask16 upper) {
  return _mm512_mask_blend_ps(upper, _mm512_set1_ps(1.0F), _mm512_set1_ps(-1.0F));
}

// The Hadamard matrix of order 16 (unscaled) times the lanes, by butterflies of stride 1, 2, 4, 8.
inline Vec rotate_lanes(Vec v) {
  v = butterfly(v, _mm512_permute_ps(v, 0xB1), signs_of(0xAAAA));
  v = butterfly(v, _mm512_permute_ps(v, 0x4E), signs_of(0xCCCC));
  v = butterfly(v, _mm512_shuffle_f32x4(v, v, 0xB1), signs_of(0xF0F0));
  return butterfly(v, _mm512_shuffle_f32x4(v, v, 0x4E), signs_of(0xFF00));
}

inline Vec absolute(Vec v) { return _mm512_abs_ps(v); }

inline Vec from_int32(const std::int32_t* p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }

// The first (low) and the second of each of kLanes pairs of BF16, or of int8.
inline Vec bf16_low(const std::byte* pairs) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(pairs), 16));
}

inline Vec bf16_high(const std::byte* pairs) {
  const __m512i mask = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(pairs), mask));
}

inline __m512i int8_pairs(const std::byte* pairs) {
  return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs)));
}

inline Vec int8_low(const std::byte* pairs) {
  const __m512i up = _mm512_slli_epi32(int8_pairs(pairs), 24);
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(up, 24));
}

inline Vec int8_high(const std::byte* pairs) {
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(int8_pairs(pairs), 8));
}

// Each lane as BF16 in the low half: rounded to nearest, ties to even; denormals become zero, what
// is not a number stays so.
inline __m512i round_bf16(Vec v) {
#ifdef __AVX512BF16__
  return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
#endif
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7FFF));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
  const Vec least = _mm512_set1_ps(1.17549435e-38F);  // of what is not denormal
  const __mmask16 small = _mm512_cmp_ps_mask(absolute(v), least, _CMP_LT_OQ);
  const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000U));
  up = _mm512_mask_and_epi32(up, small, bits, sign);
  return _mm512_srli_epi32(up, 16);
}

inline void store_bf16(std::uint16_t* p, Vec v) {
#ifdef __AVX512BF16__
  const auto halves = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
#else
  const __m256i halves = _mm512_cvtepi32_epi16(round_bf16(v));
#endif
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves);
}

// BF16 as floats.
inline Vec load_bf16(const std::uint16_t* p) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// `count` < kLanes of them, zeros above.
inline Vec load_bf16_first(const std::uint16_t* p, int count) {
  const __m256i halves = _mm256_maskz_loadu_epi16(first_lanes(count), p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// Pairs of lanes as BF16, the first of a pair lower: one pair every 64 bytes.
inline void store_bf16_pairs(std::byte* to, Vec v) {
  const __m256i pairs = _mm512_cvtepi32_epi16(round_bf16(v));
  const __m256i rows = _mm256_setr_epi32(0, 64, 128, 192, 256, 320, 384, 448);
  _mm256_i32scatter_epi32(to, rows, pairs, 1);
}

// Lanes as BF16 in the low (0) or high (1) halves of 32-bit words, whose other halves stay.
inline void store_bf16_halves(std::byte* words, int half, Vec v) {
  const __m512i low = round_bf16(v);
  if (half == 0) {
    _mm512_mask_storeu_epi16(words, 0x55555555U, low);
  } else {
    _mm512_mask_storeu_epi16(words, 0xAAAAAAAAU, _mm512_slli_epi32(low, 16));
  }
}

// Rounded to nearest, ties to even; |v| ≤ 127.
inline void store_int8(std::int8_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

// One value of the lanes of each of four vectors, by halves: lane i with i + 8, then + 4, + 2, + 1.
template <typename Join>
inline __m128 join_lanes4(Vec a, Vec b, Vec c, Vec d, Join join) {
  const Vec ab = join(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
  const Vec cd = join(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
  Vec v = join(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
  v = join(v, _mm512_permute_ps(v, 0x4E));
  v = join(v, _mm512_permute_ps(v, 0xB1));
  const __m512i every_fourth = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_castps512_ps128(_mm512_permutexvar_ps(every_fourth, v));
}

inline __m128 sum_lanes4(Vec a, Vec b, Vec c, Vec d) { return join_lanes4(a, b, c, d, add); }

inline __m128 max_lanes4(Vec a, Vec b, Vec c, Vec d) { return join_lanes4(a, b, c, d, max); }

inline float sum_lanes(Vec v) { return _mm_cvtss_f32(sum_lanes4(v, v, v, v)); }

inline float max_lanes(Vec v) { return _mm_cvtss_f32(max_lanes4(v, v, v, v)); }

}  // namespace

// Vectors of 8 floats. For the avx2_*.cpp files only; everything is in an unnamed namespace (see
// isa_kernels.hpp).
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

using Vec = __m256;

constexpr int kLanes = 8;
constexpr int kDotRows = 3;  // rows of x in one block of sums: 3 × 4 of 16 registers

inline Vec zero() { return _mm256_setzero_ps(); }

inline Vec broadcast(float x) { return _mm256_set1_ps(x); }

inline Vec load(const float* p) { return _mm256_loadu_ps(p); }

inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }

inline __m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// `count` < kLanes values, zeros above them; nothing beyond them is touched.
inline Vec load_first(const float* p, int count) {
  return _mm256_maskload_ps(p, first_lanes(count));
}

inline void store_first(float* p, Vec v, int count) {
  _mm256_maskstore_ps(p, first_lanes(count), v);
}

// The first `count` lanes of v; `other` above them.
inline Vec keep_first(Vec v, int count, Vec other) {
  return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(first_lanes(count)));
}

inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }

inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }

inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }

inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }

inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }

// These two give b when either is not a number: keep constants in a.
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }

inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }

inline Vec round_to_int(Vec v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// 2^n for integral n in [-126, 127].
inline Vec power_of_two(Vec n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

// (0, 1), (2, 3), … change places.
inline Vec swap_pairs(Vec v) { return _mm256_permute_ps(v, 0xB1); }

// a + b in lanes whose stride bit is clear, a - b in the others.
template <int Upper>
inline Vec butterfly(Vec v, Vec partner) {
  return _mm256_blend_ps(_mm256_add_ps(v, partner), _mm256_sub_ps(partner, v), Upper);
}

// The Hadamard matrix of order 8 (unscaled) times the lanes, by butterflies of stride 1, 2, 4.
inline Vec rotate_lanes(Vec v) {
  v = butterfly<0xAA>(v, _mm256_permute_ps(v, 0xB1));
  v = butterfly<0xCC>(v, _mm256_permute_ps(v, 0x4E));
  return butterfly<0xF0>(v, _mm256_permute2f128_ps(v, v, 0x01));
}

inline Vec absolute(Vec v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), v); }

inline Vec from_int32(const std::int32_t* p) {
  return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

// The first (low) and the second of each of kLanes pairs of BF16, or of int8.
inline Vec bf16_low(const std::byte* pairs) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
}

inline Vec bf16_high(const std::byte* pairs) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs));
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xFFFF0000U));
  return _mm256_castsi256_ps(_mm256_and_si256(bits, mask));
}

inline __m256i int8_pairs(const std::byte* pairs) {
  return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pairs)));
}

inline Vec int8_low(const std::byte* pairs) {
  const __m256i up = _mm256_slli_epi32(int8_pairs(pairs), 24);
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(up, 24));
}

inline Vec int8_high(const std::byte* pairs) {
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(int8_pairs(pairs), 8));
}

// Rounded to BF16: nearest, ties to even; denormals become zero, what is not a number stays so.
inline void store_bf16(std::uint16_t* p, Vec v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7FFF));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const __m256i sign = _mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(0x80000000U)));
  const Vec least = _mm256_set1_ps(1.17549435e-38F);  // of what is not denormal
  const __m256i small = _mm256_castps_si256(_mm256_cmp_ps(absolute(v), least, _CMP_LT_OQ));
  const __m256i rounded = _mm256_blendv_epi8(_mm256_blendv_epi8(up, quiet, nan), sign, small);
  const __m256i halves = _mm256_srli_epi32(rounded, 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(halves, halves), 0xD8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}

// BF16 as floats.
inline Vec load_bf16(const std::uint16_t* p) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// `count` < kLanes of them, zeros above.
inline Vec load_bf16_first(const std::uint16_t* p, int count) {
  std::uint16_t lanes[kLanes] = {};
  __builtin_memcpy(lanes, p, static_cast<std::size_t>(count) * sizeof *p);
  return load_bf16(lanes);
}

// Pairs of lanes as BF16, the first of a pair lower: one pair every 64 bytes.
inline void store_bf16_pairs(std::byte* to, Vec v) {
  std::uint16_t lanes[kLanes];
  store_bf16(lanes, v);
  for (int i = 0; i < kLanes / 2; ++i) __builtin_memcpy(to + i * 64, lanes + 2 * i, 4);
}

// Lanes as BF16 in the low (0) or high (1) halves of 32-bit words, whose other halves stay.
inline void store_bf16_halves(std::byte* words, int half, Vec v) {
  std::uint16_t lanes[kLanes];
  store_bf16(lanes, v);
  for (int i = 0; i < kLanes; ++i) __builtin_memcpy(words + i * 4 + half * 2, lanes + i, 2);
}

// Rounded to nearest, ties to even; |v| ≤ 127.
inline void store_int8(std::int8_t* p, Vec v) {
  const __m256i words = _mm256_cvtps_epi32(v);
  const __m128i halves =
      _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(halves, halves));
}

// The sums of the lanes of four vectors, each by halves: lane i with i + 4, then + 2, + 1.
inline __m128 sum_lanes4(Vec a, Vec b, Vec c, Vec d) {
  const Vec ab = add(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  const Vec cd = add(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31));
  const Vec twos =
      add(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));  // [a a c c][b b d d]
  const Vec ones = add(twos, _mm256_permute_ps(twos, 0xB1));
  const __m128 ac = _mm256_castps256_ps128(ones);
  const __m128 bd = _mm256_extractf128_ps(ones, 1);
  const __m128 mixed = _mm_shuffle_ps(ac, bd, 0x88);  // a c b d
  return _mm_permute_ps(mixed, 0xD8);
}

inline float sum_lanes(Vec v) { return _mm_cvtss_f32(sum_lanes4(v, v, v, v)); }

inline float max_lanes(Vec v) {
  v = max(v, _mm256_permute2f128_ps(v, v, 0x01));
  v = max(v, _mm256_permute_ps(v, 0x4E));
  v = max(v, _mm256_permute_ps(v, 0xB1));
  return _mm256_cvtss_f32(v);
}

}  // namespace

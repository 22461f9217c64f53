// Transposes 16 × 16 or 8 × 8 values of 32 bits in registers. For the avx512_*.cpp and amx_*.cpp
// files only; see isa_kernels.hpp.
#pragma once

#include <immintrin.h>

namespace {

// Stages of the usual network: pairs, fours, then whole quarters of the registers.
inline void transpose16(__m512i (&rows)[16]) {
  __m512i pairs[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  __m512i fours[16];  // fours[4 i + j], quarter q: column 4 q + j of rows 4 i … 4 i + 3
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i low = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0x88);  // quarters 0 and 2
    const __m512i odd = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0xDD);  // 1 and 3
    const __m512i low2 = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0x88);
    const __m512i odd2 = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0xDD);
    rows[j] = _mm512_shuffle_i32x4(low, low2, 0x88);
    rows[4 + j] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
    rows[8 + j] = _mm512_shuffle_i32x4(low, low2, 0xDD);
    rows[12 + j] = _mm512_shuffle_i32x4(odd, odd2, 0xDD);
  }
}

inline void transpose8(__m256i (&rows)[8]) {
  __m256i pairs[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {  // columns j · 2 and j · 2 + 1 of each half
    const __m256i low = _mm256_unpacklo_epi64(pairs[j], pairs[2 + j]);
    const __m256i high = _mm256_unpackhi_epi64(pairs[j], pairs[2 + j]);
    const __m256i low2 = _mm256_unpacklo_epi64(pairs[4 + j], pairs[6 + j]);
    const __m256i high2 = _mm256_unpackhi_epi64(pairs[4 + j], pairs[6 + j]);
    rows[2 * j] = _mm256_permute2x128_si256(low, low2, 0x20);
    rows[2 * j + 1] = _mm256_permute2x128_si256(high, high2, 0x20);
    rows[4 + 2 * j] = _mm256_permute2x128_si256(low, low2, 0x31);
    rows[5 + 2 * j] = _mm256_permute2x128_si256(high, high2, 0x31);
  }
}

}  // namespace

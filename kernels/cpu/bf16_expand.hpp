// Expands stored weights to BF16 in registers, 32 at a time, for AVX-512 with BF16 and VBMI: every
// value is the FP32 one of avx512_expand.hpp rounded to nearest. Where a block's values come from a
// table it is the table that is rounded, and vpermb looks its bytes up.
// Included after avx512_expand.hpp, by amx_*.cpp and avx512_bf16_*.cpp files only; see
// isa_kernels.hpp.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

inline __m512i round32(Vec low, Vec high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// A table of 16 values: bytes 2 i and 2 i + 1 are those of value i.
inline __m512i round_table(Vec values) {
  return _mm512_zextsi256_si512(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
}

// Of 32 bytes of which the first 16, or all, are used: each one twice.
inline __m512i twice(__m256i bytes, bool again) {
  const __m512i all = _mm512_castsi256_si512(bytes);
  const __m512i pairs = _mm512_set_epi8(31,
                                        31,
                                        30,
                                        30,
                                        29,
                                        29,
                                        28,
                                        28,
                                        27,
                                        27,
                                        26,
                                        26,
                                        25,
                                        25,
                                        24,
                                        24,
                                        23,
                                        23,
                                        22,
                                        22,
                                        21,
                                        21,
                                        20,
                                        20,
                                        19,
                                        19,
                                        18,
                                        18,
                                        17,
                                        17,
                                        16,
                                        16,
                                        15,
                                        15,
                                        14,
                                        14,
                                        13,
                                        13,
                                        12,
                                        12,
                                        11,
                                        11,
                                        10,
                                        10,
                                        9,
                                        9,
                                        8,
                                        8,
                                        7,
                                        7,
                                        6,
                                        6,
                                        5,
                                        5,
                                        4,
                                        4,
                                        3,
                                        3,
                                        2,
                                        2,
                                        1,
                                        1,
                                        0,
                                        0);
  const __m512i low_pairs = _mm512_and_si512(pairs, _mm512_set1_epi8(15));
  return _mm512_permutexvar_epi8(again ? low_pairs : pairs, all);
}

// Addresses of both bytes of 32 table entries: nibbles lie at bit `0` or 4 of words that hold a
// byte twice; `turn` brings them to bit 1.
inline __m512i addresses(__m512i bytes_twice, __m512i turn) {
  const __m512i turned = _mm512_shldv_epi16(bytes_twice, bytes_twice, turn);
  return _mm512_ternarylogic_epi32(
      turned, _mm512_set1_epi8(0x1E), _mm512_set1_epi16(0x0100), 0xEA);  // (a & b) | c
}

constexpr short kLowNibble = 1;    // turns to the left
constexpr short kHighNibble = 13;  // = 3 to the right

// The 16 low nibbles, then the 16 high ones.
inline __m512i nibble_addresses(Bytes q) {
  const __m512i turn =
      _mm512_inserti64x4(_mm512_set1_epi16(kHighNibble), _mm256_set1_epi16(kLowNibble), 0);
  return addresses(twice(_mm256_castsi128_si256(load16(q)), true), turn);
}

inline __m512i look_up32(__m512i table, __m512i at) { return _mm512_permutexvar_epi8(at, table); }

// each(block, scales, sink) calls sink(i, v) with values 32·i … 32·i + 31.
template <typename Type>
struct Rounded {
  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    Vec low = zero();
    Type::each(
        b, scales, [&](int part, Vec w) __attribute__((always_inline)) {
          if (part % 2 == 0) {
            low = w;
          } else {
            sink(part / 2, round32(low, w));
          }
        });
  }
};

template <>
struct Rounded<Q4_0> {
  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec table = mul(broadcast(s.at[0]), sub(iota(), broadcast(8.0F)));
    sink(0, look_up32(round_table(table), nibble_addresses(b + 2)));
  }
};

template <>
struct Rounded<Q4_1> {
  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec table = fma(broadcast(s.at[0]), iota(), broadcast(s.at[1]));
    sink(0, look_up32(round_table(table), nibble_addresses(b + 4)));
  }
};

template <>
struct Rounded<IQ4_NL> {
  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec table = mul(broadcast(s.at[0]), iq4_nl_values());
    sink(0, look_up32(round_table(table), nibble_addresses(b + 2)));
  }
};

// The fifth bits choose the upper half of a table of 32.
inline __m512i with_fifth_bits(__m512i at, std::uint32_t bits) {
  return _mm512_mask_add_epi16(at, _cvtu32_mask32(bits), at, _mm512_set1_epi16(0x2020));
}

template <>
struct Rounded<Q5_0> {
  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    const __m512i table = round32(mul(d, sub(iota(), broadcast(16.0F))), mul(d, iota()));
    sink(0, look_up32(table, with_fifth_bits(nibble_addresses(b + 6), word32(b + 2))));
  }
};

template <>
struct Rounded<Q5_1> {
  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    const Vec m = broadcast(s.at[1]);
    const __m512i table = round32(fma(d, iota(), m), fma(d, add(iota(), broadcast(16.0F)), m));
    sink(0, look_up32(table, with_fifth_bits(nibble_addresses(b + 8), word32(b + 4))));
  }
};

template <>
struct Rounded<Q4_K> {
  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair) {
      const Vec low = _mm512_fmsub_ps(broadcast(s[2 * pair]), iota(), broadcast(s[8 + 2 * pair]));
      const Vec high =
          _mm512_fmsub_ps(broadcast(s[2 * pair + 1]), iota(), broadcast(s[9 + 2 * pair]));
      const __m512i q = twice(load32(b + 16 + 32 * pair), false);
      sink(2 * pair, look_up32(round_table(low), addresses(q, _mm512_set1_epi16(kLowNibble))));
      sink(2 * pair + 1,
           look_up32(round_table(high), addresses(q, _mm512_set1_epi16(kHighNibble))));
    }
  }
};

}  // namespace

// Expands one block of stored weights to FP32 in registers, for AVX-512. Every value equals the
// reference's (a zero may differ in sign): products of a half and a few bits are exact in FP32, so
// at most one rounding is left, and it is the same one.
// Block layouts: github.com/ggml-org/ggml/blob/master/src/ggml-common.h
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/avx512_vector.hpp"

namespace {

using Bytes = const std::uint8_t*;

inline std::uint16_t word16(Bytes p) {
  std::uint16_t value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

inline std::uint32_t word32(Bytes p) {
  std::uint32_t value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

inline std::uint64_t word64(Bytes p) {
  std::uint64_t value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

inline __m128i load16(Bytes p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

inline __m256i load32(Bytes p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

// A half in every lane.
inline Vec half(Bytes p) {
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(word16(p))));
}

inline Vec iota() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

inline __m512i widen(__m128i bytes) { return _mm512_cvtepu8_epi32(bytes); }

inline Vec widen_signed(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }

// A table of the 16 values that 4 bits can mean in this block; vpermps looks at the low 4 bits of
// each lane only.
inline Vec look_up(Vec table, __m512i index) { return _mm512_permutexvar_ps(index, table); }

inline __m512i high_halves(__m512i bytes) { return _mm512_srli_epi32(bytes, 4); }

// A block's scales as floats in memory, because a broadcast from there is a load, where one from a
// register costs the port that the table look-ups need (measured: a third of the time of Q4_1).
struct Scales {
  alignas(64) float at[32];
};

// Keeps the compiler from turning the broadcasts into shuffles of a register again.
inline void settle(Scales& scales) { asm("" : "+m"(scales)); }

// For blocks that begin with one or two halves: these are at[0] and at[1].
inline void read_halves(Bytes b, Scales& scales) {
  _mm_store_ps(scales.at, _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(b))));
}

// Each struct: how many values and bytes; read_scales; and each(block, scales, sink), which calls
// sink(i, v) with values 16·i … 16·i + 15.
struct Q4_0 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 18;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec table = mul(broadcast(s.at[0]), sub(iota(), broadcast(8.0F)));
    const __m512i q = widen(load16(b + 2));
    sink(0, look_up(table, q));
    sink(1, look_up(table, high_halves(q)));
  }
};

struct Q4_1 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 20;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec table = fma(broadcast(s.at[0]), iota(), broadcast(s.at[1]));
    const __m512i q = widen(load16(b + 4));
    sink(0, look_up(table, q));
    sink(1, look_up(table, high_halves(q)));
  }
};

// Rotations to the left that bring bit first + lane of 32 to bit 4.
inline __m512i to_bit_4(int first) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_sub_epi32(_mm512_set1_epi32(36 - first), lane);
}

// Bit 4 of `high`, the rest of `low`: an index into two tables of 16, whose higher bits vpermt2ps
// does not look at.
inline __m512i five_bits(__m512i low, __m512i high) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi32(16), high, low, 0xCA);  // choose bit by bit
}

struct Q5_0 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 22;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    const Vec lower = mul(d, sub(iota(), broadcast(16.0F)));  // without the fifth bit
    const Vec upper = mul(d, iota());
    const __m512i high = _mm512_set1_epi32(static_cast<int>(word32(b + 2)));
    const __m512i q = widen(load16(b + 6));
    sink(0,
         _mm512_permutex2var_ps(lower, five_bits(q, _mm512_rolv_epi32(high, to_bit_4(0))), upper));
    sink(1,
         _mm512_permutex2var_ps(
             lower, five_bits(high_halves(q), _mm512_rolv_epi32(high, to_bit_4(16))), upper));
  }
};

struct Q5_1 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 24;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    const Vec m = broadcast(s.at[1]);
    const Vec lower = fma(d, iota(), m);  // without the fifth bit
    const Vec upper = fma(d, add(iota(), broadcast(16.0F)), m);
    const __m512i high = _mm512_set1_epi32(static_cast<int>(word32(b + 4)));
    const __m512i q = widen(load16(b + 8));
    sink(0,
         _mm512_permutex2var_ps(lower, five_bits(q, _mm512_rolv_epi32(high, to_bit_4(0))), upper));
    sink(1,
         _mm512_permutex2var_ps(
             lower, five_bits(high_halves(q), _mm512_rolv_epi32(high, to_bit_4(16))), upper));
  }
};

struct Q8_0 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 34;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    sink(0, mul(d, widen_signed(load16(b + 2))));
    sink(1, mul(d, widen_signed(load16(b + 18))));
  }
};

// The 16 values that a nibble of IQ4_NL chooses from.
inline Vec iq4_nl_values() {
  return _mm512_setr_ps(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

struct IQ4_NL {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 18;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec table = mul(broadcast(s.at[0]), iq4_nl_values());
    const __m512i q = widen(load16(b + 2));
    sink(0, look_up(table, q));
    sink(1, look_up(table, high_halves(q)));
  }
};

// The bit pairs of a group of 16 in a Q2_K or Q3_K block, which begin at `pairs`. Other bits stay
// above them: the tables that are looked up in repeat themselves.
inline __m512i bit_pairs(Bytes pairs, int group) {
  const __m512i q = widen(load16(pairs + group / 8 * 32 + group % 2 * 16));
  return _mm512_srl_epi32(q, _mm_cvtsi32_si128(group / 2 % 4 * 2));
}

struct Q2_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 84;

  // [16 scales][16 minima]
  static inline void read_scales(Bytes b, Scales& scales) {
    const __m512i pairs = widen(load16(b));
    const __m512i low = _mm512_and_si512(pairs, _mm512_set1_epi32(15));
    store(scales.at, mul(half(b + 80), _mm512_cvtepi32_ps(low)));
    store(scales.at + 16, mul(half(b + 82), _mm512_cvtepi32_ps(high_halves(pairs))));
  }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    const Vec steps = _mm512_setr_ps(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {
      const Vec table = _mm512_fmsub_ps(broadcast(s[group]), steps, broadcast(s[16 + group]));
      sink(group, look_up(table, bit_pairs(b + 16, group)));
    }
  }
};

// The sixteen 6-bit scales of a Q3_K block, which are kept 32 too large.
inline __m128i six_bit_scales(Bytes b) {
  const std::uint32_t first = word32(b + 96);    // low 4 bits: of scales 0-3; high 4: of 8-11
  const std::uint32_t second = word32(b + 100);  // the same of 4-7 and 12-15
  const std::uint32_t third = word32(b + 104);   // two bits each: of 0-3, 4-7, 8-11 and 12-15
  const std::uint32_t words[] = {(first & 0x0F0F0F0FU) | ((third << 4) & 0x30303030U),
                                 (second & 0x0F0F0F0FU) | ((third << 2) & 0x30303030U),
                                 ((first >> 4) & 0x0F0F0F0FU) | (third & 0x30303030U),
                                 ((second >> 4) & 0x0F0F0F0FU) | ((third >> 2) & 0x30303030U)};
  const __m128i bytes = _mm_setr_epi32(static_cast<int>(words[0]),
                                       static_cast<int>(words[1]),
                                       static_cast<int>(words[2]),
                                       static_cast<int>(words[3]));
  return _mm_sub_epi8(bytes, _mm_set1_epi8(32));
}

struct Q3_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 110;

  static inline void read_scales(Bytes b, Scales& scales) {
    store(scales.at, mul(half(b + 108), widen_signed(six_bit_scales(b))));
  }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    const Vec steps = _mm512_setr_ps(-4, -3, -2, -1, 0, 1, 2, 3, -4, -3, -2, -1, 0, 1, 2, 3);
    const __m512i bit_2 = _mm512_set1_epi32(4);
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {
      const __m512i high =
          _mm512_rolv_epi32(widen(load16(b + group % 2 * 16)), _mm512_set1_epi32(34 - group / 2));
      const __m512i three =  // choose bit by bit
          _mm512_ternarylogic_epi32(bit_2, high, bit_pairs(b + 32, group), 0xCA);
      sink(group, look_up(mul(broadcast(s[group]), steps), three));
    }
  }
};

// The eight 6-bit scales and minima of a Q4_K or Q5_K block, times d and dmin: [8 scales][8
// minima].
inline void scales_and_minima(Bytes b, float* out) {
  const std::uint32_t first = word32(b + 4);   // low 6 bits: scales 0-3; high 2: of scales 4-7
  const std::uint32_t second = word32(b + 8);  // the same for minima
  const std::uint32_t third = word32(b + 12);  // low 4 bits: of scales 4-7; high 4: of minima 4-7
  const std::uint32_t scales_high = (third & 0x0F0F0F0FU) | ((first >> 2) & 0x30303030U);
  const std::uint32_t minima_high = ((third >> 4) & 0x0F0F0F0FU) | ((second >> 2) & 0x30303030U);
  const __m128i bytes = _mm_setr_epi32(static_cast<int>(first & 0x3F3F3F3FU),
                                       static_cast<int>(scales_high),
                                       static_cast<int>(second & 0x3F3F3F3FU),
                                       static_cast<int>(minima_high));
  const Vec factors = _mm512_mask_mov_ps(half(b), 0xFF00, half(b + 2));
  store(out, mul(factors, _mm512_cvtepi32_ps(widen(bytes))));
}

struct Q4_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 144;

  static inline void read_scales(Bytes b, Scales& scales) { scales_and_minima(b, scales.at); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair) {
      const Vec low = _mm512_fmsub_ps(broadcast(s[2 * pair]), iota(), broadcast(s[8 + 2 * pair]));
      const Vec high =
          _mm512_fmsub_ps(broadcast(s[2 * pair + 1]), iota(), broadcast(s[9 + 2 * pair]));
      const __m512i q0 = widen(load16(b + 16 + 32 * pair));
      const __m512i q1 = widen(load16(b + 32 + 32 * pair));
      sink(4 * pair, look_up(low, q0));
      sink(4 * pair + 1, look_up(low, q1));
      sink(4 * pair + 2, look_up(high, high_halves(q0)));
      sink(4 * pair + 3, look_up(high, high_halves(q1)));
    }
  }
};

struct Q5_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 176;

  // 16 values of a group: 4 low bits from q, the fifth where bit `group` of `high` is set.
  static inline Vec values(__m512i q, __m128i high, int group, const float* s) {
    const Vec scale = broadcast(s[group]);
    const Vec minimum = broadcast(s[8 + group]);
    const Vec table = _mm512_fmsub_ps(scale, iota(), minimum);
    const Vec upper = _mm512_fmsub_ps(scale, add(iota(), broadcast(16.0F)), minimum);
    const __mmask16 mask = _mm_test_epi8_mask(high, _mm_set1_epi8(static_cast<char>(1U << group)));
    return _mm512_mask_permutexvar_ps(look_up(table, q), mask, q, upper);
  }

  static inline void read_scales(Bytes b, Scales& scales) { scales_and_minima(b, scales.at); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    const __m128i high0 = load16(b + 16);
    const __m128i high1 = load16(b + 32);
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair) {
      const __m512i q0 = widen(load16(b + 48 + 32 * pair));
      const __m512i q1 = widen(load16(b + 64 + 32 * pair));
      sink(4 * pair, values(q0, high0, 2 * pair, s));
      sink(4 * pair + 1, values(q1, high1, 2 * pair, s));
      sink(4 * pair + 2, values(high_halves(q0), high0, 2 * pair + 1, s));
      sink(4 * pair + 3, values(high_halves(q1), high1, 2 * pair + 1, s));
    }
  }
};

struct Q6_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 210;

  static inline void read_scales(Bytes b, Scales& scales) {
    store(scales.at, mul(half(b + 208), widen_signed(load16(b + 192))));
  }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    const __m256i low_bits = _mm256_set1_epi8(15);
    const __m256i high_bits = _mm256_set1_epi8(0x30);
    const __m256i bias = _mm256_set1_epi8(32);
#pragma GCC unroll 2
    for (int part = 0; part < 2; ++part) {
      const __m256i high = load32(b + 128 + 32 * part);
#pragma GCC unroll 4
      for (int quarter = 0; quarter < 4; ++quarter) {
        __m256i low = load32(b + 64 * part + 32 * (quarter % 2));
        if (quarter >= 2) low = _mm256_srli_epi16(low, 4);
        const __m256i up = quarter < 2 ? _mm256_slli_epi16(high, 4 - 2 * quarter)
                                       : _mm256_srli_epi16(high, 2 * quarter - 4);
        const __m256i six =
            _mm256_or_si256(_mm256_and_si256(low, low_bits), _mm256_and_si256(up, high_bits));
        const __m256i q = _mm256_sub_epi8(six, bias);
        const int group = 8 * part + 2 * quarter;
        sink(group, mul(broadcast(s[group]), widen_signed(_mm256_castsi256_si128(q))));
        sink(group + 1, mul(broadcast(s[group + 1]), widen_signed(_mm256_extracti128_si256(q, 1))));
      }
    }
  }
};

// Plain floats come 16 at a time; `count` may be less in the last step.
inline Vec widen_f16(Bytes p, int count) {
  const __m256i words = _mm256_maskz_loadu_epi16(first_lanes(count), p);
  return _mm512_cvtph_ps(words);
}

inline Vec widen_bf16(Bytes p, int count) {
  const __m256i words = _mm256_maskz_loadu_epi16(first_lanes(count), p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
}

}  // namespace

// Expands one block of stored weights to FP32 in registers, for AVX2. Every value equals the
// reference's (a zero may differ in sign): products of a half and a few bits are exact in FP32, so
// at most one rounding is left, and it is the same one.
// Block layouts: github.com/ggml-org/ggml/blob/master/src/ggml-common.h
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/avx2_vector.hpp"

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

inline __m128i load16(Bytes p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// A half in every lane.
inline Vec half(Bytes p) { return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(word16(p)))); }

inline Vec widen(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)); }

inline Vec widen_signed(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }

inline __m128i low_halves(__m128i bytes) { return _mm_and_si128(bytes, _mm_set1_epi8(15)); }

inline __m128i high_halves(__m128i bytes) { return low_halves(_mm_srli_epi16(bytes, 4)); }

// 16 where bit i of `bits` is set, for bytes i = 0 … 15.
inline __m128i fifth_bits(std::uint32_t bits) {
  const __m128i spread =
      _mm_shuffle_epi8(_mm_cvtsi32_si128(static_cast<int>(bits)),
                       _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const __m128i each = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(spread, each), each);
  return _mm_and_si128(set, _mm_set1_epi8(16));
}

// Sixteen values i, i + 1 as two vectors: scale · signed byte, or scale · unsigned byte + offset.
template <typename Sink>
inline void give_signed(__m128i bytes, Vec scale, int i, Sink& sink) {
  sink(i, mul(scale, widen_signed(bytes)));
  sink(i + 1, mul(scale, widen_signed(_mm_srli_si128(bytes, 8))));
}

template <typename Sink>
inline void give(__m128i bytes, Vec scale, Vec offset, int i, Sink& sink) {
  sink(i, fma(scale, widen(bytes), offset));
  sink(i + 1, fma(scale, widen(_mm_srli_si128(bytes, 8)), offset));
}

// A block's scales as floats.
struct Scales {
  alignas(32) float at[32];
};

inline void settle(Scales&) {}

// For blocks that begin with one or two halves: these are at[0] and at[1].
inline void read_halves(Bytes b, Scales& scales) {
  _mm_store_ps(scales.at, _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(b))));
}

// Each struct: how many values and bytes; read_scales; and each(block, scales, sink), which calls
// sink(i, v) with values 8·i … 8·i + 7.
struct Q4_0 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 18;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    const __m128i q = load16(b + 2);
    const __m128i eight = _mm_set1_epi8(8);
    give_signed(_mm_sub_epi8(low_halves(q), eight), d, 0, sink);
    give_signed(_mm_sub_epi8(high_halves(q), eight), d, 2, sink);
  }
};

struct Q4_1 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 20;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const __m128i q = load16(b + 4);
    give(low_halves(q), broadcast(s.at[0]), broadcast(s.at[1]), 0, sink);
    give(high_halves(q), broadcast(s.at[0]), broadcast(s.at[1]), 2, sink);
  }
};

struct Q5_0 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 22;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    const std::uint32_t high = word32(b + 2);
    const __m128i q = load16(b + 6);
    const __m128i sixteen = _mm_set1_epi8(16);
    give_signed(_mm_sub_epi8(_mm_or_si128(low_halves(q), fifth_bits(high)), sixteen), d, 0, sink);
    give_signed(
        _mm_sub_epi8(_mm_or_si128(high_halves(q), fifth_bits(high >> 16)), sixteen), d, 2, sink);
  }
};

struct Q5_1 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 24;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const std::uint32_t high = word32(b + 4);
    const __m128i q = load16(b + 8);
    give(_mm_or_si128(low_halves(q), fifth_bits(high)),
         broadcast(s.at[0]),
         broadcast(s.at[1]),
         0,
         sink);
    give(_mm_or_si128(high_halves(q), fifth_bits(high >> 16)),
         broadcast(s.at[0]),
         broadcast(s.at[1]),
         2,
         sink);
  }
};

struct Q8_0 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 34;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    give_signed(load16(b + 2), d, 0, sink);
    give_signed(load16(b + 18), d, 2, sink);
  }
};

struct IQ4_NL {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 18;

  static inline void read_scales(Bytes b, Scales& scales) { read_halves(b, scales); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& s, Sink sink) {
    const Vec d = broadcast(s.at[0]);
    const __m128i table =
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    const __m128i q = load16(b + 2);
    give_signed(_mm_shuffle_epi8(table, low_halves(q)), d, 0, sink);
    give_signed(_mm_shuffle_epi8(table, high_halves(q)), d, 2, sink);
  }
};

// The two bits of a group of 16 in a Q2_K or Q3_K block, whose bit pairs begin at `pairs`.
inline __m128i bit_pairs(Bytes pairs, int group) {
  const __m128i q = load16(pairs + group / 8 * 32 + group % 2 * 16);
  return _mm_and_si128(_mm_srli_epi16(q, group / 2 % 4 * 2), _mm_set1_epi8(3));
}

struct Q2_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 84;

  // [16 scales][16 negated minima]
  static inline void read_scales(Bytes b, Scales& scales) {
    const __m128i low = low_halves(load16(b));
    const __m128i high = high_halves(load16(b));
    const Vec d = half(b + 80);
    const Vec dmin = sub(zero(), half(b + 82));
    store(scales.at, mul(d, widen(low)));
    store(scales.at + 8, mul(d, widen(_mm_srli_si128(low, 8))));
    store(scales.at + 16, mul(dmin, widen(high)));
    store(scales.at + 24, mul(dmin, widen(_mm_srli_si128(high, 8))));
  }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    for (int group = 0; group < 16; ++group) {
      const __m128i two = bit_pairs(b + 16, group);
      give(two, broadcast(s[group]), broadcast(s[16 + group]), 2 * group, sink);
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
    const __m128i bytes = six_bit_scales(b);
    store(scales.at, mul(half(b + 108), widen_signed(bytes)));
    store(scales.at + 8, mul(half(b + 108), widen_signed(_mm_srli_si128(bytes, 8))));
  }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    const __m128i four = _mm_set1_epi8(4);
    for (int group = 0; group < 16; ++group) {
      const __m128i bit = _mm_set1_epi8(static_cast<char>(1U << group / 2));
      const __m128i high = _mm_and_si128(load16(b + group % 2 * 16), bit);
      const __m128i third = _mm_and_si128(_mm_cmpeq_epi8(high, bit), four);
      const __m128i q = _mm_sub_epi8(_mm_or_si128(bit_pairs(b + 32, group), third), four);
      give_signed(q, broadcast(s[group]), 2 * group, sink);
    }
  }
};

// The eight 6-bit scales and minima of a Q4_K or Q5_K block, times d and -dmin: [8 scales][8
// negated minima].
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
  store(out, mul(half(b), widen(bytes)));
  store(out + 8, mul(sub(zero(), half(b + 2)), widen(_mm_srli_si128(bytes, 8))));
}

struct Q4_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 144;

  static inline void read_scales(Bytes b, Scales& scales) { scales_and_minima(b, scales.at); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    for (int pair = 0; pair < 4; ++pair) {
      const int even = 2 * pair;
      const __m128i q0 = load16(b + 16 + 32 * pair);
      const __m128i q1 = load16(b + 32 + 32 * pair);
      give(low_halves(q0), broadcast(s[even]), broadcast(s[8 + even]), 8 * pair, sink);
      give(low_halves(q1), broadcast(s[even]), broadcast(s[8 + even]), 8 * pair + 2, sink);
      give(high_halves(q0), broadcast(s[even + 1]), broadcast(s[9 + even]), 8 * pair + 4, sink);
      give(high_halves(q1), broadcast(s[even + 1]), broadcast(s[9 + even]), 8 * pair + 6, sink);
    }
  }
};

struct Q5_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 176;

  // 4 low bits with the fifth where bit `group` of `high` is set.
  static inline __m128i five_bits(__m128i low, __m128i high, int group) {
    const __m128i bit = _mm_set1_epi8(static_cast<char>(1U << group));
    const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(high, bit), bit);
    return _mm_or_si128(low, _mm_and_si128(set, _mm_set1_epi8(16)));
  }

  static inline void read_scales(Bytes b, Scales& scales) { scales_and_minima(b, scales.at); }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    for (int group = 0; group < 8; ++group) {
      for (int part = 0; part < 2; ++part) {
        const __m128i q = load16(b + 48 + group / 2 * 32 + 16 * part);
        const __m128i low = group % 2 == 0 ? low_halves(q) : high_halves(q);
        const __m128i five = five_bits(low, load16(b + 16 + 16 * part), group);
        give(five, broadcast(s[group]), broadcast(s[8 + group]), 4 * group + 2 * part, sink);
      }
    }
  }
};

struct Q6_K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 210;

  static inline void read_scales(Bytes b, Scales& scales) {
    const __m128i bytes = load16(b + 192);
    store(scales.at, mul(half(b + 208), widen_signed(bytes)));
    store(scales.at + 8, mul(half(b + 208), widen_signed(_mm_srli_si128(bytes, 8))));
  }

  template <typename Sink>
  static inline void each(Bytes b, const Scales& scales, Sink sink) {
    const float* s = scales.at;
    const __m128i high_bits = _mm_set1_epi8(0x30);
    const __m128i bias = _mm_set1_epi8(32);
    for (int group = 0; group < 16; ++group) {
      const int part = group / 8;
      const int quarter = group / 2 % 4;
      const __m128i q = load16(b + 64 * part + 32 * (quarter % 2) + 16 * (group % 2));
      const __m128i low = quarter < 2 ? low_halves(q) : high_halves(q);
      const __m128i high = load16(b + 128 + 32 * part + 16 * (group % 2));
      const __m128i up = quarter < 2 ? _mm_slli_epi16(high, 4 - 2 * quarter)
                                     : _mm_srli_epi16(high, 2 * quarter - 4);
      const __m128i six = _mm_or_si128(low, _mm_and_si128(up, high_bits));
      give_signed(_mm_sub_epi8(six, bias), broadcast(s[group]), 2 * group, sink);
    }
  }
};

// Plain floats come 8 at a time; `count` may be less in the last step.
inline __m128i load_words(Bytes p, int count) {
  if (count == kLanes) return load16(p);
  alignas(16) std::uint16_t words[8] = {};
  __builtin_memcpy(words, p, 2 * static_cast<unsigned>(count));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(words));
}

inline Vec widen_f16(Bytes p, int count) { return _mm256_cvtph_ps(load_words(p, count)); }

inline Vec widen_bf16(Bytes p, int count) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_words(p, count)), 16));
}

}  // namespace

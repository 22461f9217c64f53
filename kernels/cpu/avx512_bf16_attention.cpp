// Attention of one tile by VDPBF16PS, over keys and values in BF16 or int8, for CPUs that have it
// at full speed and no tile unit. Keys and values lie in the tile unit's pair order already.
//
// Cost: as attention.hpp says, at 64 operations an instruction; decode is bound by memory.
#include <immintrin.h>

#include "kernels/cpu/avx512_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx512_bf16 {

#include "kernels/cpu/body/attention_part.hpp"
#include "kernels/cpu/body/each_rows.hpp"

// After those, which it uses.
#include "kernels/cpu/body/rounded_attention.hpp"

namespace {

// With two vectors each: 20 sums, more than the latency of 2 a cycle, and the 30 rows of a tile of
// groups of three are three times as many.
constexpr int kRowsMax = 10;
constexpr int kFewRows = 7;  // which are multiplied faster than memory brings keys

// A pair of BF16 in all lanes.
inline __m512bh broadcast_pair(const std::uint16_t* pair) {
  std::int32_t bits = 0;
  __builtin_memcpy(&bits, pair, sizeof bits);
  return __m512bh(_mm512_set1_epi32(bits));
}

inline __m512bh load_pairs(const std::uint16_t* pairs) {
  return __m512bh(_mm512_loadu_si512(pairs));
}

// Two tiles of keys or values to ask for beside the products of two others. Few rows multiply them
// faster than memory brings them, so it has to be busy all the time.
struct Fetch {
  const std::uint16_t* soon;   // of the next block: into the first cache
  const std::uint16_t* later;  // of the next split, or of the tile after this one: into the second
};

// sum[r] += 16 pairs of row r times the 16 rows of two tiles. Rows lie `stride` values apart.
template <int Rows>
inline void add_products(Vec (&sum)[Rows][2],
                         const std::uint16_t* rows,
                         std::ptrdiff_t stride,
                         const std::uint16_t* first_tile,
                         const std::uint16_t* second_tile,
                         const Fetch& fetch) {
#pragma GCC unroll 4
  for (int pair = 0; pair < 16; ++pair) {
    if (Rows <= kFewRows) {
#pragma GCC unroll 2
      for (int line = 0; line < 2; ++line) {
        __builtin_prefetch(fetch.soon + pair * 64 + line * 32, 0, 3);
        __builtin_prefetch(fetch.later + pair * 64 + line * 32, 0, 2);
      }
    }
    const __m512bh first = load_pairs(first_tile + pair * 32);
    const __m512bh second = load_pairs(second_tile + pair * 32);
#pragma GCC unroll 10
    for (int r = 0; r < Rows; ++r) {
      const __m512bh x = broadcast_pair(rows + r * stride + pair * 2);
      sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, first);
      sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, second);
    }
  }
}

template <int Rows>
inline void clear(Vec (&sum)[Rows][2]) {
#pragma GCC unroll 10
  for (int r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = zero();
}

template <int Rows>
inline void put(const Vec (&sum)[Rows][2], float* to, std::int32_t stride) {
#pragma GCC unroll 10
  for (int r = 0; r < Rows; ++r) {
    store(to + r * stride, sum[r][0]);
    store(to + r * stride + kLanes, sum[r][1]);
  }
}

// Scores of Rows rows with one block of keys.
struct Score {
  const Work& w;
  std::int32_t block;

  template <int Rows>
  void rows(std::int32_t row) const {
    const std::uint16_t* q = w.q + row * w.padded;
    const Fetch fetch{w.keys(w.block_after(block)), w.ahead(block)};
    Vec sum[Rows][2];
    clear(sum);
    for (std::int32_t d = 0; d < w.padded; d += 32) {
      const std::uint16_t* keys = w.keys(block) + d * 32;
      const Fetch ahead{fetch.soon + d * 32, fetch.later + d * 32};
      add_products(sum, q + d, w.padded, keys, keys + kTileValues, ahead);
    }
    put(sum, w.scores + row * kScoreStride + block * kKvBlockTokens, kScoreStride);
  }
};

// Dimensions d to d + 31 of the values of all blocks, weighted by the numerators of Rows rows.
struct Weigh {
  const Work& w;
  float* out;
  std::int32_t d;

  template <int Rows>
  void rows(std::int32_t row) const {
    Vec sum[Rows][2];
    clear(sum);
    for (std::int32_t block = 0; block < w.blocks; ++block) {
      const std::uint16_t* values = w.values(block) + d * 32;
      const Fetch fetch{w.values(w.block_after(block)) + d * 32,
                        w.ahead(block) + 32 * w.padded + d * 32};
      add_products(
          sum, w.numerators(row, block), 2 * kScoreStride, values, values + kTileValues, fetch);
    }
    put(sum, out + row * w.padded + d, w.padded);
  }
};

inline void attend_split(const TileRows& t, std::int32_t begin, const Part& part, float* scratch) {
  for (std::int32_t first = 0; first < t.rows; first += kAttentionRows) {
    const Work w(t, first, begin, scratch);
    const Part rows{part.out + first * w.padded, part.maximum + first, part.sum + first};
    if (w.is_int8()) expand_int8(w);
    for (std::int32_t block = 0; block < w.blocks; ++block)
      each_rows<kRowsMax>(w.count, Score{w, block});
    softmax(w, rows);
    for (std::int32_t d = 0; d < w.padded; d += 32)
      each_rows<kRowsMax>(w.count, Weigh{w, rows.out, d});
  }
}

}  // namespace

#include "kernels/cpu/body/attention_entry.hpp"

}  // namespace troupe::kernels::avx512_bf16

// Attention of one tile on the tile unit, over keys and values in BF16 or int8. Up to 32 rows
// (query heads of a group × queries) at a time: scores by TDPBF16PS, softmax numerators with
// 512-bit vectors, rounded to BF16, and their products with values by TDPBF16PS again.
//
// A row's operations are the same whatever shares its tile: products are FP32 sums in the order of
// dimensions and of keys, and keys that it must not see have the numerator 0 and finite values.
#include <immintrin.h>

#include "kernels/cpu/avx512_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::amx {

#include "kernels/cpu/body/attention_part.hpp"
#include "kernels/cpu/body/tile_unit.hpp"

namespace {

constexpr std::int32_t kBlocksPerSplit = kKvSplitTokens / kKvBlockTokens;
constexpr std::int32_t kTileValues = 16 * 32;  // of BF16
// 16 floats more than a split: rows of scores a power of two apart would share cache sets.
constexpr std::int32_t kScoreStride = kKvSplitTokens + 16;

// Up to 32 rows against one split, and where its parts lie in the scratch.
struct Work {
  Work(const TileRows& rows_of_tile, std::int32_t at, std::int32_t begin_of_split, float* scratch)
      : t(rows_of_tile),
        first(at),
        count(t.rows - at < kAttentionRows ? t.rows - at : kAttentionRows),
        padded((t.op.pool.head_dim + 31) / 32 * 32),
        begin(begin_of_split),
        blocks((t.keys(begin_of_split) + kKvBlockTokens - 1) / kKvBlockTokens),
        scores(scratch),
        factors(scores + kAttentionRows * kScoreStride),
        q(reinterpret_cast<std::uint16_t*>(factors + 2 * kKvSplitTokens)),
        numerators(q + kAttentionRows * padded),
        expanded(numerators + kAttentionRows * kKvSplitTokens) {}

  std::int32_t upper() const { return count < kTileRows ? count : kTileRows; }

  std::int32_t lower() const { return count - upper(); }

  bool is_int8() const { return t.op.pool.type == KvType::kInt8; }

  // Tiles of a block's keys, and of its values. Int8 ones were expanded.
  const std::uint16_t* keys(std::int32_t block) const {
    if (is_int8()) return expanded + block * 2 * 32 * padded;
    return reinterpret_cast<const std::uint16_t*>(t.block(begin + block * kKvBlockTokens));
  }

  const std::uint16_t* values(std::int32_t block) const { return keys(block) + 32 * padded; }

  const TileRows& t;
  std::int32_t first;         // row of the tile
  std::int32_t count;         // rows
  std::int32_t padded;        // head_dim in whole tiles of 32
  std::int32_t begin;         // position of the split's first key
  std::int32_t blocks;        // that the tile's last query sees
  float* scores;              // [32, kScoreStride]
  float* factors;             // [2, 256]: scales of int8 keys and values
  std::uint16_t* q;           // BF16 [2 tiles of rows][padded / 32][16][32]
  std::uint16_t* numerators;  // BF16 [2 tiles of rows][8 blocks][16][32]
  std::uint16_t* expanded;    // BF16 [8 blocks][2][32 · padded], for int8
};

inline void round_queries(const Work& w) {
  const std::int32_t dims = w.t.op.pool.head_dim;
  for (std::int32_t row = 0; row < w.count; ++row) {
    const float* q = w.t.op.q + w.t.offset(w.first + row);
    std::uint16_t* to = w.q + row / 16 * 16 * w.padded + row % 16 * 32;
    for (std::int32_t d = 0; d < w.padded; d += 16) {
      const std::int32_t left = dims - d;
      const Vec x = left >= 16 ? load(q + d) : left > 0 ? load_first(q + d, left) : zero();
      store_bf16(to + d / 32 * kTileValues + d % 32, x);
    }
  }
}

// Every int8 is exact in BF16; scales go to scores and numerators instead.
inline void expand_int8(const Work& w) {
  for (std::int32_t block = 0; block < w.blocks; ++block) {
    const std::byte* from = w.t.block(w.begin + block * kKvBlockTokens);
    const std::int32_t values = 2 * 32 * w.padded;
    std::uint16_t* to = w.expanded + block * values;
    for (std::int32_t i = 0; i < values; i += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
      const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(bytes)));
      const __m512 high =
          _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(bytes, 1)));
      _mm512_storeu_si512(to + i, __m512i(_mm512_cvtne2ps_pbh(high, low)));
    }
    const auto* scales = reinterpret_cast<const float*>(from + values);
    for (std::int32_t i = 0; i < 2; ++i) {
      float* factors = w.factors + i * kKvSplitTokens + block * kKvBlockTokens;
      store(factors, load(scales + 32 * i));
      store(factors + 16, load(scales + 32 * i + 16));
    }
  }
}

// Keys come from memory in decode: a block is asked for before it is needed, the values with it.
inline void fetch_block(const Work& w, std::int32_t block) {
  if (block >= w.blocks || w.is_int8()) return;
  const auto* bytes = reinterpret_cast<const char*>(w.keys(block));
  for (std::int32_t i = 0; i < 4 * 32 * w.padded; i += 64) __builtin_prefetch(bytes + i, 0, 3);
}

template <bool kLower>
inline void score_block(const Work& w, std::int32_t block) {
  const std::uint16_t* keys = w.keys(block);
  _tile_zero(0);
  _tile_zero(1);
  if (kLower) _tile_zero(2);
  if (kLower) _tile_zero(3);
  for (std::int32_t d = 0; d < w.padded; d += 32, keys += 2 * kTileValues) {
    const std::uint16_t* q = w.q + d * 16;
    _tile_loadd(4, q, 64);
    _tile_loadd(6, keys, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, keys + kTileValues, 64);
    _tile_dpbf16ps(1, 4, 7);
    if (!kLower) continue;
    _tile_loadd(5, q + 16 * w.padded, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  constexpr std::int32_t kStrideBytes = kScoreStride * 4;
  float* to = w.scores + block * kKvBlockTokens;
  _tile_stored(0, to, kStrideBytes);
  _tile_stored(1, to + 16, kStrideBytes);
  if (!kLower) return;
  _tile_stored(2, to + 16 * kScoreStride, kStrideBytes);
  _tile_stored(3, to + 16 * kScoreStride + 16, kStrideBytes);
}

template <bool kLower>
inline void weigh_values(const Work& w, float* out) {
  for (std::int32_t d = 0; d < w.padded; d += 32) {
    _tile_zero(0);
    _tile_zero(1);
    if (kLower) _tile_zero(2);
    if (kLower) _tile_zero(3);
    for (std::int32_t block = 0; block < w.blocks; ++block) {
      const std::uint16_t* p = w.numerators + block * kTileValues;
      const std::uint16_t* values = w.values(block) + d * 32;
      _tile_loadd(4, p, 64);
      _tile_loadd(6, values, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, values + kTileValues, 64);
      _tile_dpbf16ps(1, 4, 7);
      if (!kLower) continue;
      _tile_loadd(5, p + kBlocksPerSplit * kTileValues, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out + d, w.padded * 4);
    _tile_stored(1, out + d + 16, w.padded * 4);
    if (!kLower) continue;
    _tile_stored(2, out + 16 * w.padded + d, w.padded * 4);
    _tile_stored(3, out + 16 * w.padded + d + 16, w.padded * 4);
  }
}

// 2^x for x ≤ 0 to 7e-6 of its value (it is rounded to BF16 next): x = n + f with |f| ≤ 1/2, and a
// polynomial for 2^f fitted at Chebyshev's points with p(0) = 1.
inline Vec power_of_two_fraction(Vec x) {
  const Vec n = round_to_int(x);
  const Vec f = sub(x, n);
  Vec p = broadcast(0.00966637369F);
  p = fma(p, f, broadcast(0.0558383427F));
  p = fma(p, f, broadcast(0.240223489F));
  p = fma(p, f, broadcast(0.693136726F));
  p = fma(p, f, broadcast(1.0F));
  return _mm512_scalef_ps(p, n);
}

template <bool kInt8>
inline Vec largest_score(const Work& w, float* scores, std::int32_t visible) {
  const Vec lowest = broadcast(-__builtin_huge_valf());
  Vec highest = lowest;
  for (std::int32_t i = 0; i < visible; i += 16) {
    Vec s = load(scores + i);
    if (kInt8) s = mul(s, load(w.factors + i));
    if (kInt8) store(scores + i, s);
    if (visible - i < 16) s = keep_first(s, visible - i, lowest);
    highest = max(highest, s);
  }
  return highest;
}

// The numerators of 16 keys; zeros from `visible` on.
inline Vec numerators16(const float* scores, std::int32_t visible, Vec scale, Vec offset) {
  if (visible <= 0) return zero();
  const Vec p = power_of_two_fraction(fma(load(scores), scale, offset));
  return visible >= 16 ? p : keep_first(p, visible, zero());
}

// Turns one row's scores into numerators, and keeps their maximum and sum.
template <bool kInt8>
inline void softmax_row(const Work& w, std::int32_t row, const Part& part) {
  constexpr float kLog2OfE = 1.44269504F;
  const std::int32_t visible = w.t.visible(w.first + row, w.begin);
  float* scores = w.scores + row * kScoreStride;
  std::uint16_t* to = w.numerators + row / 16 * kBlocksPerSplit * kTileValues + row % 16 * 32;
  const float highest = max_lanes(largest_score<kInt8>(w, scores, visible)) * w.t.op.scale;
  const Vec scale = broadcast(w.t.op.scale * kLog2OfE);
  const Vec offset = broadcast(visible > 0 ? -highest * kLog2OfE : 0.0F);
  Vec sums[2] = {zero(), zero()};
  for (std::int32_t block = 0; block < w.blocks; ++block) {
    const std::int32_t at = block * kKvBlockTokens;
    Vec low = numerators16(scores + at, visible - at, scale, offset);
    Vec high = numerators16(scores + at + 16, visible - at - 16, scale, offset);
    sums[0] = add(sums[0], low);
    sums[1] = add(sums[1], high);
    if (kInt8) low = mul(low, load(w.factors + kKvSplitTokens + at));
    if (kInt8) high = mul(high, load(w.factors + kKvSplitTokens + at + 16));
    _mm512_storeu_si512(to + block * kTileValues, __m512i(_mm512_cvtne2ps_pbh(high, low)));
  }
  part.sum[row] = sum_lanes(add(sums[0], sums[1]));
  part.maximum[row] = highest;
}

template <bool kLower>
inline void attend_rows(const Work& w, const Part& part) {
  for (std::int32_t block = 0; block < w.blocks; ++block) {
    if (!kLower) fetch_block(w, block + 1);  // many rows mean prefill, whose keys are still warm
    score_block<kLower>(w, block);
  }
  for (std::int32_t row = 0; row < w.count; ++row) {
    if (w.is_int8()) {
      softmax_row<true>(w, row, part);
    } else {
      softmax_row<false>(w, row, part);
    }
  }
  tiles_read_memory();
  weigh_values<kLower>(w, part.out);
}

inline void attend_split(const TileRows& t, std::int32_t begin, const Part& part, float* scratch) {
  for (std::int32_t first = 0; first < t.rows; first += kAttentionRows) {
    const Work w(t, first, begin, scratch);
    const TileUnit unit(w.upper(), w.lower() > 0 ? w.lower() : kTileRows);
    const Part rows{part.out + first * w.padded, part.maximum + first, part.sum + first};
    round_queries(w);
    if (w.is_int8()) expand_int8(w);
    tiles_read_memory();
    if (w.lower() > 0) {
      attend_rows<true>(w, rows);
    } else {
      attend_rows<false>(w, rows);
    }
  }
}

}  // namespace

#include "kernels/cpu/body/attention_entry.hpp"

}  // namespace troupe::kernels::amx

// Attention of one tile over keys and values in BF16 or int8, but for the two products, which the
// files that include this define: scores of queries and keys, and values weighted by numerators.
// Up to 32 rows (query heads of a group × queries) at a time. Softmax numerators are made with
// 512-bit vectors and rounded to BF16. Included by ISA files with AVX512-BF16 only, after
// attention_part.hpp.
//
// A row's operations are the same whatever shares its tile: products are FP32 sums in the order of
// dimensions and of keys, and keys that it must not see have the numerator 0 and finite values.
#pragma once

namespace {

constexpr std::int32_t kTileValues = 16 * 32;  // of BF16
// 16 floats more than a split: rows of scores a power of two apart would share cache sets.
constexpr std::int32_t kScoreStride = kKvSplitTokens + 16;
constexpr std::int32_t kScoreStrideBytes = kScoreStride * 4;

// Rounded queries come first in the scratch: they serve all splits.
inline std::uint16_t* queries_at(float* scratch) {
  return reinterpret_cast<std::uint16_t*>(scratch);
}

// Floats that they take, in whole tiles of rows.
inline std::int32_t query_floats(std::int32_t rows, std::int32_t padded) {
  return (rows + kAttentionRows - 1) / kAttentionRows * kAttentionRows * padded / 2;
}

// Up to 32 rows against one split, and where its parts lie in the scratch.
struct Work {
  Work(const TileRows& rows_of_tile, std::int32_t at, std::int32_t begin_of_split, float* scratch)
      : t(rows_of_tile),
        first(at),
        count(t.rows - at < kAttentionRows ? t.rows - at : kAttentionRows),
        padded((t.op.pool.head_dim + 31) / 32 * 32),
        begin(begin_of_split),
        blocks((t.keys(begin_of_split) + kKvBlockTokens - 1) / kKvBlockTokens),
        q(queries_at(scratch) + at * padded),
        scores(scratch + query_floats(rows_of_tile.rows, padded)),
        factors(scores + kAttentionRows * kScoreStride),
        expanded(reinterpret_cast<std::uint16_t*>(factors + 2 * kKvSplitTokens)) {}

  bool is_int8() const { return t.op.pool.type == KvType::kInt8; }

  // Tiles of a block's keys, and of its values. Int8 ones were expanded.
  const std::uint16_t* keys(std::int32_t block) const {
    if (is_int8()) return expanded + block * 2 * 32 * padded;
    return reinterpret_cast<const std::uint16_t*>(t.block(begin + block * kKvBlockTokens));
  }

  // Of the split; the last one itself at the end.
  std::int32_t block_after(std::int32_t block) const {
    return block + 1 < blocks ? block + 1 : block;
  }

  // The block as far into the next split, or into the first one of the next tile; where there is
  // none, and of int8, whose expanded values are near, the block itself.
  const std::uint16_t* ahead(std::int32_t block) const {
    const std::byte* next = t.block_ahead(begin, block);
    return next == nullptr || is_int8() ? keys(block)
                                        : reinterpret_cast<const std::uint16_t*>(next);
  }

  const std::uint16_t* values(std::int32_t block) const { return keys(block) + 32 * padded; }

  // A row's numerators of a block take the place of the first half of its scores.
  std::uint16_t* numerators(std::int32_t row, std::int32_t block) const {
    float* at = scores + row * kScoreStride + block * kKvBlockTokens;
    return reinterpret_cast<std::uint16_t*>(at);
  }

  const TileRows& t;
  std::int32_t first;       // row of the tile
  std::int32_t count;       // rows
  std::int32_t padded;      // head_dim in whole tiles of 32
  std::int32_t begin;       // position of the split's first key
  std::int32_t blocks;      // that the tile's last query sees
  const std::uint16_t* q;   // BF16 [count, padded]
  float* scores;            // [32, kScoreStride]
  float* factors;           // [2, 256]: scales of int8 keys and values
  std::uint16_t* expanded;  // BF16 [8 blocks][2][32 · padded], for int8
};

// Once for all splits.
inline void prepare_rows(const TileRows& t, float* scratch) {
  const std::int32_t dims = t.op.pool.head_dim;
  const std::int32_t padded = (dims + 31) / 32 * 32;
  for (std::int32_t row = 0; row < t.rows; ++row) {
    const float* q = t.op.q + t.offset(row);
    std::uint16_t* to = queries_at(scratch) + row * padded;
    for (std::int32_t d = 0; d < padded; d += 16) {
      const std::int32_t left = dims - d;
      const Vec x = left >= 16 ? load(q + d) : left > 0 ? load_first(q + d, left) : zero();
      store_bf16(to + d, x);
    }
  }
}

// Every int8 is exact in BF16; scales go to scores and numerators instead.
inline void expand_int8(const Work& w) {
  for (std::int32_t block = 0; block < w.blocks; ++block) {
    const std::byte* from = w.t.block(w.begin + block * kKvBlockTokens);
    const std::int32_t values = 2 * 32 * w.padded;
    if (block + 1 < w.blocks) {
      const std::byte* next = w.t.block(w.begin + (block + 1) * kKvBlockTokens);
      for (std::int32_t i = 0; i < values + 256; i += 64) __builtin_prefetch(next + i, 0, 3);
    }
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

// The largest score in each lane; scores of int8 keys are multiplied by the keys' scales first.
template <bool kInt8>
inline Vec largest_scores(const Work& w, std::int32_t row, std::int32_t visible) {
  const Vec lowest = broadcast(-__builtin_huge_valf());
  float* scores = w.scores + row * kScoreStride;
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

// A score becomes 2^(score · scale + offset).
struct Exponent {
  Vec scale;
  Vec offset;

  Vec of(const float* scores) const { return short_power_of_two(fma(load(scores), scale, offset)); }
};

// The numerators of one row's `visible` scores, and zeros after them; returns their sum by lanes.
template <bool kInt8>
inline Vec write_numerators(const Work& w,
                            std::int32_t row,
                            std::int32_t visible,
                            const Exponent& exponent) {
  const float* scores = w.scores + row * kScoreStride;
  Vec sum = zero();
  for (std::int32_t block = 0; block < w.blocks; ++block) {
    const std::int32_t at = block * kKvBlockTokens;
    const std::int32_t left = visible - at;
    Vec low = zero();
    Vec high = zero();
    if (left > 0) low = exponent.of(scores + at);
    if (left > 16) high = exponent.of(scores + at + 16);
    if (left > 0 && left < 16) low = keep_first(low, left, zero());
    if (left > 16 && left < 32) high = keep_first(high, left - 16, zero());
    sum = add(sum, add(low, high));
    if (kInt8) low = mul(low, load(w.factors + kKvSplitTokens + at));
    if (kInt8) high = mul(high, load(w.factors + kKvSplitTokens + at + 16));
    _mm512_storeu_si512(w.numerators(row, block), __m512i(_mm512_cvtne2ps_pbh(high, low)));
  }
  return sum;
}

// Turns the scores of up to four rows into numerators, and keeps their maxima and sums: four at a
// time, for maxima and sums over lanes are long chains.
template <bool kInt8>
inline void softmax_rows(const Work& w, std::int32_t row, std::int32_t rows, const Part& part) {
  constexpr float kLog2OfE = 1.44269504F;
  const Vec scale = broadcast(w.t.op.scale * kLog2OfE);
  std::int32_t visible[4] = {};
  Vec highest[4] = {};
  for (std::int32_t r = 0; r < rows; ++r) {
    visible[r] = w.t.visible(w.first + row + r, w.begin);
    highest[r] = largest_scores<kInt8>(w, row + r, visible[r]);
  }
  float maxima[4];
  _mm_storeu_ps(maxima, max_lanes4(highest[0], highest[1], highest[2], highest[3]));
  Vec sums[4] = {};
  for (std::int32_t r = 0; r < rows; ++r) {
    const float maximum = maxima[r] * w.t.op.scale;
    const Vec offset = broadcast(visible[r] > 0 ? -maximum * kLog2OfE : 0.0F);
    sums[r] = write_numerators<kInt8>(w, row + r, visible[r], Exponent{scale, offset});
    part.maximum[row + r] = maximum;
  }
  const __mmask8 mask = static_cast<__mmask8>((1U << rows) - 1U);
  _mm_mask_storeu_ps(part.sum + row, mask, sum_lanes4(sums[0], sums[1], sums[2], sums[3]));
}

// Numerators of all rows, and their maxima and sums.
inline void softmax(const Work& w, const Part& part) {
  for (std::int32_t row = 0; row < w.count; row += 4) {
    const std::int32_t rows = w.count - row < 4 ? w.count - row : 4;
    if (w.is_int8()) {
      softmax_rows<true>(w, row, rows, part);
    } else {
      softmax_rows<false>(w, row, rows, part);
    }
  }
}

}  // namespace

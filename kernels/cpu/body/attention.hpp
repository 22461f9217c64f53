// Attention of one tile by vector FMA, written once for every vector width. Included by ISA files
// only, after a *_vector.hpp.
//
// For each split of 256 keys: scores of all query heads of the tile, softmax numerators, weighted
// sum of values; then the split's result joins the running one. A query head's operations are the
// same whatever shares its tile: a score adds dimensions in ascending order, an output adds keys in
// ascending order, and keys that a head must not see get the weight 0, which leaves a sum as it
// was. Keys and values of other types than FP32 are expanded to it, a split at a time.
#pragma once

#include "kernels/cpu/body/attention_part.hpp"

namespace {

// One split of a tile, and where the parts of its scratch lie.
struct Split {
  const TileRows& t;
  std::int32_t padded;  // head_dim in whole tiles of 32
  std::int32_t begin;   // position of the first key
  std::int32_t keys;    // that the tile's last query sees
  float* scores;        // [rows, 256]; softmax numerators later
  float* expanded;      // [8 blocks][2][32 · padded], unless the pool is FP32
  Part part;

  // Keys of the block at `at` within the split: [padded, 32]; then values: [32, padded].
  const float* block(std::int32_t at) const {
    if (t.op.pool.type == KvType::kF32) return reinterpret_cast<const float*>(t.block(begin + at));
    return expanded + at * 2 * padded;
  }
};

// `count` pairs of 16-bit or 8-bit values, as FP32: the first of each pair to `low`, the second to
// `high`.
inline void expand_pairs(KvType type, const std::byte* pairs, float* low, float* high) {
  for (int i = 0; i < 16; i += kLanes) {
    if (type == KvType::kBf16) {
      store(low + i, bf16_low(pairs + i * 4));
      store(high + i, bf16_high(pairs + i * 4));
    } else {
      store(low + i, int8_low(pairs + i * 2));
      store(high + i, int8_high(pairs + i * 2));
    }
  }
}

inline void scale16(float* values, const float* factors) {
  for (int i = 0; i < 16; i += kLanes) store(values + i, mul(load(values + i), load(factors + i)));
}

inline void scale16(float* values, float factor) {
  for (int i = 0; i < 16; i += kLanes) store(values + i, mul(load(values + i), broadcast(factor)));
}

// One block into the FP32 order.
inline void expand_block(KvType type, const std::byte* from, std::int32_t padded, float* to) {
  const std::int32_t bytes = type == KvType::kBf16 ? 4 : 2;  // of a pair
  const std::int32_t pairs = 16 * padded;                    // of keys, and of values
  const std::byte* values = from + pairs * bytes;
  const auto* scales = reinterpret_cast<const float*>(values + pairs * bytes);
  for (std::int32_t d = 0; d < padded; d += 2) {
    for (std::int32_t half = 0; half < 2; ++half) {
      float* low = to + d * 32 + half * 16;
      expand_pairs(
          type, from + ((d / 32 * 2 + half) * 16 + d % 32 / 2) * 16 * bytes, low, low + 32);
      if (type != KvType::kInt8) continue;
      scale16(low, scales + half * 16);
      scale16(low + 32, scales + half * 16);
    }
  }
  float* out = to + 32 * padded;
  for (std::int32_t d = 0; d < padded; d += 16) {
    for (std::int32_t slot = 0; slot < 32; slot += 2) {
      float* low = out + slot * padded + d;
      expand_pairs(type, values + (d + slot / 2) * 16 * bytes, low, low + padded);
      if (type != KvType::kInt8) continue;
      scale16(low, scales[32 + slot]);
      scale16(low + padded, scales[32 + slot + 1]);
    }
  }
}

// Scores of Rows query heads with one block of keys, two vectors of keys at a time.
template <int Rows>
inline void score_block(const Split& s, std::int32_t row, const float* keys, std::int32_t at) {
  constexpr int kVectors = kKvBlockTokens / kLanes;
  const float* q[Rows];
  for (int r = 0; r < Rows; ++r) q[r] = s.t.op.q + s.t.offset(row + r);
#pragma GCC unroll 1
  for (int v = 0; v < kVectors; v += 2) {
    Vec sum[Rows][2];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = zero();
    for (std::int32_t d = 0; d < s.t.op.pool.head_dim; ++d) {
      const Vec k0 = load(keys + d * kKvBlockTokens + v * kLanes);
      const Vec k1 = load(keys + d * kKvBlockTokens + (v + 1) * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < Rows; ++r) {
        const Vec x = broadcast(q[r][d]);
        sum[r][0] = fma(x, k0, sum[r][0]);
        sum[r][1] = fma(x, k1, sum[r][1]);
      }
    }
    for (int r = 0; r < Rows; ++r) {
      float* out = s.scores + (row + r) * kKvSplitTokens + at + v * kLanes;
      store(out, sum[r][0]);
      store(out + kLanes, sum[r][1]);
    }
  }
}

inline void score_rows(const Split& s) {
  for (std::int32_t at = 0; at < s.keys; at += kKvBlockTokens) {
    const float* block = s.block(at);
    std::int32_t row = 0;
    for (; row + 4 <= s.t.rows; row += 4) score_block<4>(s, row, block, at);
    if (s.t.rows - row == 3) score_block<3>(s, row, block, at);
    if (s.t.rows - row == 2) score_block<2>(s, row, block, at);
    if (s.t.rows - row == 1) score_block<1>(s, row, block, at);
  }
}

// Turns one row's scores into numerators relative to their maximum; those of the keys from
// `visible` to `keys` become 0. Maximum and sum of the row go to the part.
inline void softmax_row(const Split& s, std::int32_t row, std::int32_t visible, std::int32_t keys) {
  float* scores = s.scores + row * kKvSplitTokens;
  const Vec scale = broadcast(s.t.op.scale);
  const Vec lowest = broadcast(-__builtin_huge_valf());
  Vec highest = lowest;
  for (std::int32_t i = 0; i < visible; i += kLanes) {
    Vec score = mul(load(scores + i), scale);
    if (visible - i < kLanes) score = keep_first(score, visible - i, lowest);
    store(scores + i, score);
    highest = max(highest, score);
  }
  const float maximum = max_lanes(highest);
  Vec sum = zero();
  for (std::int32_t i = 0; i < keys; i += kLanes) {
    Vec p = zero();
    if (i < visible) p = exponential(sub(load(scores + i), broadcast(maximum)));
    if (i < visible && visible - i < kLanes) p = keep_first(p, visible - i, zero());
    store(scores + i, p);
    if (i < visible) sum = add(sum, p);
  }
  s.part.sum[row] = sum_lanes(sum);
  s.part.maximum[row] = maximum;
}

// split_out of Rows query heads, Vectors vectors of dimensions from `d` on.
template <int Rows, int Vectors>
inline void weigh_values(const Split& s, std::int32_t row, std::int32_t d) {
  Vec sum[Rows][Vectors];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vectors; ++v) sum[r][v] = zero();
  }
  const float* p = s.scores + row * kKvSplitTokens;
  for (std::int32_t at = 0; at < s.keys; at += kKvBlockTokens) {
    const float* values = s.block(at) + kKvBlockTokens * s.padded + d;
    const std::int32_t count = s.keys - at < kKvBlockTokens ? s.keys - at : kKvBlockTokens;
    for (std::int32_t j = 0; j < count; ++j) {
      Vec value[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) value[v] = load(values + j * s.padded + v * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < Rows; ++r) {
        const Vec weight = broadcast(p[r * kKvSplitTokens + at + j]);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) sum[r][v] = fma(weight, value[v], sum[r][v]);
      }
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vectors; ++v)
      store(s.part.out + (row + r) * s.padded + d + v * kLanes, sum[r][v]);
  }
}

template <int Rows>
inline void weigh_row_group(const Split& s, std::int32_t row) {
  for (std::int32_t d = 0; d < s.padded; d += 2 * kLanes) weigh_values<Rows, 2>(s, row, d);
}

// Queries are read as they are.
inline void prepare_rows(const TileRows&, float*) {}

// What one split adds to every row of the tile.
inline void attend_split(const TileRows& t, std::int32_t begin, const Part& part, float* scratch) {
  const std::int32_t padded = (t.op.pool.head_dim + 31) / 32 * 32;
  const Split s{t, padded, begin, t.keys(begin), scratch, scratch + t.rows * kKvSplitTokens, part};
  if (t.op.pool.type != KvType::kF32) {
    for (std::int32_t at = 0; at < s.keys; at += kKvBlockTokens)
      expand_block(t.op.pool.type, t.block(begin + at), padded, s.expanded + at * 2 * padded);
  }
  score_rows(s);
  const std::int32_t stored = (s.keys + 15) / 16 * 16;
  std::int32_t row = 0;
  for (; row < s.t.rows; ++row) softmax_row(s, row, s.t.visible(row, s.begin), stored);
  for (row = 0; row + 4 <= s.t.rows; row += 4) weigh_row_group<4>(s, row);
  if (s.t.rows - row == 3) weigh_row_group<3>(s, row);
  if (s.t.rows - row == 2) weigh_row_group<2>(s, row);
  if (s.t.rows - row == 1) weigh_row_group<1>(s, row);
}

}  // namespace

#include "kernels/cpu/body/attention_entry.hpp"

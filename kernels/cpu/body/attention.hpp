// Attention of one tile, written once for every vector width. Included by ISA files only, after
// body/elementwise.hpp.
//
// For each split of 256 keys: scores of all query heads of the tile, softmax numerators, weighted
// sum of values; then the split's result joins the running one. A query head's operations are the
// same whatever shares its tile: a score adds dimensions in ascending order, an output adds keys in
// ascending order, and keys that a head must not see get the weight 0, which leaves a sum as it
// was.
#pragma once

#include "kernels/cpu/body/elementwise.hpp"

namespace {

// Where the parts of one tile's scratch lie. rows = query heads.
struct Tile {
  const Attention& op;
  const AttentionTile& at;
  std::int32_t group;    // query heads that share keys
  std::int32_t rows;     // group · queries; row = query · group + head
  std::int32_t padded;   // head_dim in whole vectors of 16
  float* scores;         // [rows, 256]; softmax numerators later
  float* split_out;      // [rows, padded]
  float* out;            // [rows, padded]
  float* split_maximum;  // [rows]
  float* split_sum;      // [rows]
  float* maximum;        // [rows], of the scores so far
  float* sum;            // [rows], of the numerators so far

  std::int32_t query(std::int32_t row) const { return at.query_begin + row / group; }

  // Keys of the split at `begin` that a row sees.
  std::int32_t visible(std::int32_t row, std::int32_t begin) const {
    const std::int32_t keys = at.sequence->position + query(row) + 1 - begin;
    return keys < 0 ? 0 : keys > kKvSplitTokens ? kKvSplitTokens : keys;
  }

  std::ptrdiff_t offset(std::int32_t row) const {  // in q and out
    const std::ptrdiff_t token = at.sequence->row + query(row);
    return (token * op.heads + at.kv_head * group + row % group) * op.pool.head_dim;
  }

  const float* block(std::int32_t position) const {
    const std::ptrdiff_t index = at.sequence->blocks[position / kKvBlockTokens];
    const std::ptrdiff_t floats = kKvBlockTokens * (op.pool.head_dim + padded);
    return op.pool.storage + (index * op.pool.kv_heads + at.kv_head) * floats;
  }
};

// Scores of Rows query heads with one block of keys, two vectors of keys at a time.
template <int Rows>
inline void score_block(const Tile& t, std::int32_t row, const float* keys, std::int32_t at) {
  constexpr int kVectors = kKvBlockTokens / kLanes;
  const float* q[Rows];
  for (int r = 0; r < Rows; ++r) q[r] = t.op.q + t.offset(row + r);
#pragma GCC unroll 1
  for (int v = 0; v < kVectors; v += 2) {
    Vec sum[Rows][2];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = zero();
    for (std::int32_t d = 0; d < t.op.pool.head_dim; ++d) {
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
      float* out = t.scores + (row + r) * kKvSplitTokens + at + v * kLanes;
      store(out, sum[r][0]);
      store(out + kLanes, sum[r][1]);
    }
  }
}

inline void score_rows(const Tile& t, std::int32_t begin, std::int32_t keys) {
  for (std::int32_t at = 0; at < keys; at += kKvBlockTokens) {
    const float* block = t.block(begin + at);
    std::int32_t row = 0;
    for (; row + 4 <= t.rows; row += 4) score_block<4>(t, row, block, at);
    if (t.rows - row == 3) score_block<3>(t, row, block, at);
    if (t.rows - row == 2) score_block<2>(t, row, block, at);
    if (t.rows - row == 1) score_block<1>(t, row, block, at);
  }
}

// Turns one row's scores into numerators relative to their maximum; those of the keys from
// `visible` to `keys` become 0. Maximum and sum of the row go to split_maximum and split_sum.
inline void softmax_row(const Tile& t, std::int32_t row, std::int32_t visible, std::int32_t keys) {
  float* scores = t.scores + row * kKvSplitTokens;
  const Vec scale = broadcast(t.op.scale);
  const Vec lowest = broadcast(-__builtin_huge_valf());
  Vec highest = lowest;
  for (std::int32_t i = 0; i < visible; i += kLanes) {
    Vec s = mul(load(scores + i), scale);
    if (visible - i < kLanes) s = keep_first(s, visible - i, lowest);
    store(scores + i, s);
    highest = max(highest, s);
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
  t.split_sum[row] = sum_lanes(sum);
  t.split_maximum[row] = maximum;
}

// split_out of Rows query heads, Vectors vectors of dimensions from `d` on.
template <int Rows, int Vectors>
inline void weigh_values(
    const Tile& t, std::int32_t row, std::int32_t d, std::int32_t begin, std::int32_t keys) {
  Vec sum[Rows][Vectors];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vectors; ++v) sum[r][v] = zero();
  }
  const float* p = t.scores + row * kKvSplitTokens;
  for (std::int32_t at = 0; at < keys; at += kKvBlockTokens) {
    const float* values = t.block(begin + at) + kKvBlockTokens * t.op.pool.head_dim + d;
    const std::int32_t count = keys - at < kKvBlockTokens ? keys - at : kKvBlockTokens;
    for (std::int32_t j = 0; j < count; ++j) {
      Vec value[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) value[v] = load(values + j * t.padded + v * kLanes);
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
      store(t.split_out + (row + r) * t.padded + d + v * kLanes, sum[r][v]);
  }
}

template <int Rows>
inline void weigh_row_group(const Tile& t,
                            std::int32_t row,
                            std::int32_t begin,
                            std::int32_t keys) {
  constexpr int kVectors = kLanes == 16 ? 4 : 2;
  std::int32_t d = 0;
  for (; d + kVectors * kLanes <= t.padded; d += kVectors * kLanes) {
    weigh_values<Rows, kVectors>(t, row, d, begin, keys);
  }
  for (; d < t.padded; d += kLanes) weigh_values<Rows, 1>(t, row, d, begin, keys);
}

// Joins the split to what came before: both are rescaled to the larger maximum.
inline void merge_row(const Tile& t, std::int32_t row, bool first) {
  const float split_maximum = t.split_maximum[row];
  float* out = t.out + row * t.padded;
  const float* split = t.split_out + row * t.padded;
  if (first) {
    for (std::int32_t d = 0; d < t.padded; d += kLanes) store(out + d, load(split + d));
    t.maximum[row] = split_maximum;
    t.sum[row] = t.split_sum[row];
    return;
  }
  const float maximum = split_maximum > t.maximum[row] ? split_maximum : t.maximum[row];
  const Vec before = exponential(broadcast(t.maximum[row] - maximum));
  const Vec now = exponential(broadcast(split_maximum - maximum));
  for (std::int32_t d = 0; d < t.padded; d += kLanes) {
    store(out + d, fma(load(out + d), before, mul(load(split + d), now)));
  }
  const Vec sum = fma(broadcast(t.sum[row]), before, mul(broadcast(t.split_sum[row]), now));
  float lanes[kLanes];
  store(lanes, sum);
  t.sum[row] = lanes[0];
  t.maximum[row] = maximum;
}

// One split. `keys` of it are visible to the tile's last query.
inline void attend_split(const Tile& t, std::int32_t begin, std::int32_t keys) {
  score_rows(t, begin, keys);
  const std::int32_t stored = (keys + 15) / 16 * 16;
  for (std::int32_t r = 0; r < t.rows; ++r) softmax_row(t, r, t.visible(r, begin), stored);
  std::int32_t row = 0;
  for (; row + 4 <= t.rows; row += 4) weigh_row_group<4>(t, row, begin, keys);
  if (t.rows - row == 3) weigh_row_group<3>(t, row, begin, keys);
  if (t.rows - row == 2) weigh_row_group<2>(t, row, begin, keys);
  if (t.rows - row == 1) weigh_row_group<1>(t, row, begin, keys);
  for (row = 0; row < t.rows; ++row) {
    if (t.visible(row, begin) > 0) merge_row(t, row, begin == 0);
  }
}

inline void attend(const Attention& op, const AttentionTile& at, float* scratch) {
  const std::int32_t group = op.heads / op.pool.kv_heads;
  const std::int32_t rows = group * (at.query_end - at.query_begin);
  const std::int32_t padded = (op.pool.head_dim + 15) / 16 * 16;
  float* split_out = scratch + rows * kKvSplitTokens;
  float* out = split_out + rows * padded;
  float* sums = out + rows * padded;
  const Tile t{op,
               at,
               group,
               rows,
               padded,
               scratch,
               split_out,
               out,
               sums,
               sums + rows,
               sums + 2 * rows,
               sums + 3 * rows};
  const std::int32_t last = at.sequence->position + at.query_end;  // keys that the last query sees
  for (std::int32_t begin = 0; begin < last; begin += kKvSplitTokens) {
    attend_split(t, begin, last - begin < kKvSplitTokens ? last - begin : kKvSplitTokens);
  }
  for (std::int32_t row = 0; row < rows; ++row) {
    float* y = op.out + t.offset(row);
    for (std::int32_t d = 0; d < op.pool.head_dim; ++d) y[d] = out[row * padded + d] / t.sum[row];
  }
}

}  // namespace

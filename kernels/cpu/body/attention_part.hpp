// The result of attention over one split of keys, and how the splits of a row join. Included by ISA
// files only.
#pragma once

#include "kernels/cpu/body/elementwise.hpp"

namespace {

// For each row (query head) of a tile: see attention_part_floats.
struct Part {
  float* out;      // [rows, padded]: values weighted by numerators
  float* maximum;  // [rows] of the scores
  float* sum;      // [rows] of the numerators; 0 where a row sees no key of the split
};

inline Part part_at(float* memory, std::int32_t rows, std::int32_t padded) {
  float* maximum = memory + rows * padded;
  return {memory, maximum, maximum + rows};
}

// Rows of one tile, and where they lie in q and out.
struct TileRows {
  const Attention& op;
  const AttentionTile& at;
  std::int32_t group;  // query heads that share keys
  std::int32_t rows;   // group · queries; row = query · group + head

  std::int32_t query(std::int32_t row) const { return at.query_begin + row / group; }

  // Keys of the split at `begin` that a row sees.
  std::int32_t visible(std::int32_t row, std::int32_t begin) const {
    const std::int32_t keys = at.sequence->position + query(row) + 1 - begin;
    return keys < 0 ? 0 : keys > kKvSplitTokens ? kKvSplitTokens : keys;
  }

  // Keys of the split at `begin` that the last row sees.
  std::int32_t keys(std::int32_t begin) const { return visible(rows - 1, begin); }

  // Keys that the last row sees.
  std::int32_t end() const { return at.sequence->position + at.query_end; }

  std::ptrdiff_t offset(std::int32_t row) const {
    const std::ptrdiff_t token = at.sequence->row + query(row);
    return (token * op.heads + at.kv_head * group + row % group) * op.pool.head_dim;
  }

  const std::byte* block(std::int32_t position) const {
    return block_of(*at.sequence, at.kv_head, position);
  }

  // Block number `block` of the split after the one at `begin`, or of the next tile's first split
  // if this tile has no more; null where that has fewer.
  const std::byte* block_ahead(std::int32_t begin, std::int32_t block) const {
    const std::int32_t position = begin + kKvSplitTokens + block * kKvBlockTokens;
    if (begin + kKvSplitTokens < end())
      return position < end() ? block_of(*at.sequence, at.kv_head, position) : nullptr;
    if (at.next_sequence == nullptr) return nullptr;
    if (block * kKvBlockTokens >= at.next_sequence->position + at.next_sequence->tokens)
      return nullptr;
    return block_of(*at.next_sequence, at.next_kv_head, block * kKvBlockTokens);
  }

  const std::byte* block_of(const AttentionSequence& sequence,
                            std::int32_t kv_head,
                            std::int32_t position) const {
    const std::ptrdiff_t index = sequence.blocks[position / kKvBlockTokens];
    const std::ptrdiff_t values = 2 * 32 * ((op.pool.head_dim + 31) / 32 * 32);
    const std::ptrdiff_t bytes = op.pool.type == KvType::kF32    ? 4 * values
                                 : op.pool.type == KvType::kBf16 ? 2 * values
                                                                 : values + 256;
    return op.pool.storage + (index * op.pool.layers * op.pool.kv_heads + kv_head) * bytes;
  }
};

inline TileRows rows_of(const Attention& op, const AttentionTile& at) {
  const std::int32_t group = op.heads / op.pool.kv_heads;
  return {op, at, group, group * (at.query_end - at.query_begin)};
}

// Joins rows of a later split to what came before: both are rescaled to the larger maximum. A row
// that saw no key has values of zero, which any factor leaves so (but where a key that it does not
// see has a value that is not a number: that sequence ends with an error anyway).
inline void join_parts(const Part& to, const Part& from, std::int32_t rows, std::int32_t padded) {
  constexpr std::int32_t kRows = 16;
  const float lowest = -__builtin_huge_valf();
  float before[kRows] = {};
  float now[kRows] = {};
  for (std::int32_t first = 0; first < rows; first += kRows) {
    const std::int32_t count = rows - first < kRows ? rows - first : kRows;
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t row = first + i;
      const bool is_new = to.sum[row] == 0.0F;
      const bool is_seen = from.sum[row] != 0.0F;
      const bool is_larger = is_new || (is_seen && from.maximum[row] > to.maximum[row]);
      const float maximum = is_larger ? from.maximum[row] : to.maximum[row];
      before[i] = is_new ? lowest : to.maximum[row] - maximum;
      now[i] = is_seen ? from.maximum[row] - maximum : lowest;
      to.maximum[row] = maximum;
    }
    for (std::int32_t i = 0; i < kRows; i += kLanes) {
      store(before + i, exponential(load(before + i)));
      store(now + i, exponential(load(now + i)));
    }
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t row = first + i;
      to.sum[row] = to.sum[row] * before[i] + from.sum[row] * now[i];
      float* out = to.out + row * padded;
      const float* later = from.out + row * padded;
      const Vec old_share = broadcast(before[i]);
      const Vec new_share = broadcast(now[i]);
      for (std::int32_t d = 0; d < padded; d += kLanes)
        store(out + d, fma(load(out + d), old_share, mul(load(later + d), new_share)));
    }
  }
}

inline void write_rows(const TileRows& t, const Part& part, std::int32_t padded) {
  const std::int32_t dims = t.op.pool.head_dim;
  for (std::int32_t row = 0; row < t.rows; ++row) {
    float* y = t.op.out + t.offset(row);
    const float* out = part.out + row * padded;
    const Vec share = broadcast(1.0F / part.sum[row]);
    std::int32_t d = 0;
    for (; d + kLanes <= dims; d += kLanes) store(y + d, mul(load(out + d), share));
    if (d < dims) store_first(y + d, mul(load(out + d), share), dims - d);
  }
}

}  // namespace

// What isa_kernels.hpp declares of attention, over the file's attend_split(rows, begin, part,
// scratch), before which it calls prepare_rows(rows, scratch) once. Included by ISA files only,
// last.
#pragma once

void attention_part(const Attention& op,
                    const AttentionTile& tile,
                    std::int32_t split,
                    float* part,
                    float* scratch) {
  const TileRows t = rows_of(op, tile);
  const std::int32_t padded = (op.pool.head_dim + 31) / 32 * 32;
  prepare_rows(t, scratch);
  attend_split(t, split * kKvSplitTokens, part_at(part, t.rows, padded), scratch);
}

void attention_join(const Attention& op,
                    const AttentionTile& tile,
                    float* parts,
                    std::int32_t floats_per_part) {
  const TileRows t = rows_of(op, tile);
  const std::int32_t padded = (op.pool.head_dim + 31) / 32 * 32;
  const Part all = part_at(parts, t.rows, padded);
  for (std::int32_t begin = kKvSplitTokens; begin < t.end(); begin += kKvSplitTokens) {
    parts += floats_per_part;
    join_parts(all, part_at(parts, t.rows, padded), t.rows, padded);
  }
  write_rows(t, all, padded);
}

void attention(const Attention& op, const AttentionTile& tile, float* scratch) {
  const TileRows t = rows_of(op, tile);
  const std::int32_t padded = (op.pool.head_dim + 31) / 32 * 32;
  const std::int32_t floats = t.rows * (padded + 2);
  const Part all = part_at(scratch, t.rows, padded);
  const Part next = part_at(scratch + floats, t.rows, padded);
  float* rest = scratch + (2 * floats + 15) / 16 * 16;
  prepare_rows(t, rest);
  attend_split(t, 0, all, rest);
  for (std::int32_t begin = kKvSplitTokens; begin < t.end(); begin += kKvSplitTokens) {
    attend_split(t, begin, next, rest);
    join_parts(all, next, t.rows, padded);
  }
  write_rows(t, all, padded);
}

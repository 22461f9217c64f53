// Causal grouped-query attention over a paged key/value cache.
// Splits and their merge: Dao et al., arxiv.org/abs/2205.14135
#pragma once

#include <cstdint>

#include "kernels/kv_pool.hpp"

namespace troupe::kernels {

inline constexpr std::int32_t kKvSplitTokens = 256;  // keys whose softmax is one partial result

// Rows (query heads of a group × queries) that one tile takes, so that they share reads of keys:
// two tiles of 16 rows of the tile unit.
inline constexpr std::int32_t kAttentionRows = 32;

// Queries of one tile when `group` query heads share a key head.
constexpr std::int32_t query_tile_tokens(std::int32_t group) {
  return group >= kAttentionRows ? 1 : kAttentionRows / group;
}

// Keys and values are read only from the pool, those of the queries' own tokens included. Splits of
// 256 keys are anchored at absolute positions and merged in ascending order, so a query's bits
// depend on its sequence alone.
//
// On tiles and BF16 vectors queries and softmax numerators are rounded to BF16 (the sum of
// numerators is not), keys and values of the cache are BF16 already, and sums are FP32.
//
// Cost: a query and head do 4·keys·head_dim operations and keys exponentials; a group of heads
// shares 2·keys·head_dim values. Prefill is bound by exponentials, decode by memory.
struct Attention {
  KvPool pool;
  const float* q = nullptr;                      // [tokens, heads, head_dim]
  float* out = nullptr;                          // [tokens, heads, head_dim]
  const AttentionSequence* sequences = nullptr;  // [count]
  std::int32_t count = 0;
  std::int32_t heads = 0;  // a multiple of pool.kv_heads
  float scale = 1.0F;      // of a score, usually 1/sqrt(head_dim)
};

// One unit of work: up to query_tile_tokens queries of one sequence, all heads of one group.
struct AttentionTile {
  const AttentionSequence* sequence = nullptr;
  std::int32_t kv_head = 0;
  std::int32_t query_begin = 0;  // within the sequence's queries
  std::int32_t query_end = 0;
  // Whose keys and values the next tile reads, to be fetched in time; null after the last.
  const AttentionSequence* next_sequence = nullptr;
  std::int32_t next_kv_head = 0;
};

std::int32_t attention_tile_count(const Attention& op);
AttentionTile attention_tile(const Attention& op, std::int32_t index);

}  // namespace troupe::kernels

// Causal grouped-query attention over a paged key/value cache, and the writing of that cache.
// Paging: Kwon et al., arxiv.org/abs/2309.06180. Splits and their merge: Dao et al.,
// arxiv.org/abs/2205.14135
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

inline constexpr std::int32_t kKvBlockTokens = 32;   // keys in one block of the cache
inline constexpr std::int32_t kKvSplitTokens = 256;  // keys whose softmax is one partial result
inline constexpr std::int32_t kQueryTileTokens =
    8;  // queries that one tile takes: they share reads of keys

// One layer's cache. Block b, head h lies at storage + (b · kv_heads + h) ·
// kv_head_floats(head_dim): keys [head_dim, 32] (a vector of keys for each dimension), then values
// [32, kv_padded(head_dim)].
struct KvPool {
  float* storage = nullptr;
  std::int32_t blocks = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
};

// head_dim rounded up to whole vectors of 16.
constexpr std::int32_t kv_padded(std::int32_t head_dim) { return (head_dim + 15) / 16 * 16; }

constexpr std::int32_t kv_head_floats(std::int32_t head_dim) {
  return kKvBlockTokens * (head_dim + kv_padded(head_dim));
}

// Bytes of one block of one layer.
constexpr std::size_t kv_block_bytes(std::int32_t kv_heads, std::int32_t head_dim) {
  return sizeof(float) * static_cast<std::size_t>(kv_heads) *
         static_cast<std::size_t>(kv_head_floats(head_dim));
}

// One sequence's queries in a call. Its keys are positions 0 … position + tokens - 1.
struct AttentionSequence {
  const std::int32_t* blocks = nullptr;  // [ceil((position + tokens) / 32)], in order
  std::int32_t row = 0;                  // of its first query in q, k, v and out
  std::int32_t tokens = 0;               // queries
  std::int32_t position = 0;             // of the first query
};

// Stores the keys and values of new tokens. Cost: 16 bytes a value; bound by cache bandwidth.
struct KvAppend {
  KvPool pool;
  const float* k = nullptr;                      // [tokens, kv_heads, head_dim]
  const float* v = nullptr;                      // [tokens, kv_heads, head_dim]
  const AttentionSequence* sequences = nullptr;  // [count]
  std::int32_t count = 0;
};

// Keys and values are read only from the pool, those of the queries' own tokens included. Splits of
// 256 keys are anchored at absolute positions and merged in ascending order, so a query's bits
// depend on its sequence alone.
//
// Cost: a query and head do 4·keys·head_dim operations; a group of heads shares 8·keys·head_dim
// bytes. Prefill is bound by FMA, decode by memory.
struct Attention {
  KvPool pool;
  const float* q = nullptr;                      // [tokens, heads, head_dim]
  float* out = nullptr;                          // [tokens, heads, head_dim]
  const AttentionSequence* sequences = nullptr;  // [count]
  std::int32_t count = 0;
  std::int32_t heads = 0;  // a multiple of pool.kv_heads
  float scale = 1.0F;      // of a score, usually 1/sqrt(head_dim)
};

// One unit of work: up to kQueryTileTokens queries of one sequence, all heads of one group.
struct AttentionTile {
  const AttentionSequence* sequence = nullptr;
  std::int32_t kv_head = 0;
  std::int32_t query_begin = 0;  // within the sequence's queries
  std::int32_t query_end = 0;
};

std::int32_t attention_tile_count(const Attention& op);
AttentionTile attention_tile(const Attention& op, std::int32_t index);

}  // namespace troupe::kernels

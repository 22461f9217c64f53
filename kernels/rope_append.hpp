// Rotary position embedding of queries and keys, and the writing of keys and values to the cache.
// Su et al., "RoFormer", arxiv.org/abs/2104.09864
#pragma once

#include <cstdint>

#include "kernels/kv_pool.hpp"

namespace troupe::kernels {

// x'[i] = x[i] · cos[i] + x[partner of i] · sin[i] for each head, by the tables' row of the token's
// position. Queries are turned in place; keys are turned and stored. BF16 and int8 round to
// nearest, ties to even; a key of int8 is q = k · (127 / max|k|) and its scale max|k| / 127 (a head
// that is not finite gets a scale that is not a number). The first token of a block zeroes the
// values of the whole block: what a former owner left there never meets a weight of zero.
//
// `key_center` is subtracted from turned keys, before `spread`. It adds the same to all scores of a
// query, which softmax does not see, but keys of a large common part lose less when rounded.
//
// With `spread`, queries and keys then turn together: each block of so many dimensions becomes
// block · H / √spread, H being the Hadamard matrix in Sylvester's form. Products of the two stay
// what they were, and a key's few large channels (Qwen's biases make some) are spread over the
// block, so that one int8 scale serves all. Ashkboos et al., "QuaRot", arxiv.org/abs/2404.00456
//
// Cost: about 20 bytes and 6 operations a value; bound by cache bandwidth.
struct RopeAppend {
  KvPool pool;
  float* q = nullptr;                            // [tokens, heads, head_dim]
  const float* k = nullptr;                      // [tokens, kv_heads, head_dim]
  const float* v = nullptr;                      // [tokens, kv_heads, head_dim]
  const float* cos = nullptr;                    // [positions, head_dim]
  const float* sin = nullptr;                    // [positions, head_dim], with the term's sign
  const float* key_center = nullptr;             // [kv_heads, head_dim], or null
  const AttentionSequence* sequences = nullptr;  // [count]
  std::int32_t count = 0;
  std::int32_t heads = 0;
  std::int32_t spread = 0;   // block of the rotation of int8 heads: kv_spread, or 0 for none
  bool interleaved = false;  // pairs are (0, 1), (2, 3), …; else (i, i + head_dim / 2)
};

// One unit of work: tokens of one sequence that lie in one block of the cache.
struct RopeAppendTile {
  const AttentionSequence* sequence = nullptr;
  std::int32_t begin = 0;  // within the sequence's tokens
  std::int32_t end = 0;
};

std::int32_t rope_append_tile_count(const RopeAppend& op);
RopeAppendTile rope_append_tile(const RopeAppend& op, std::int32_t index);

}  // namespace troupe::kernels

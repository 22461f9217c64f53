// How keys and values of a layer lie in memory: blocks of 32 tokens that sequences own by index.
// Paging: Kwon et al., arxiv.org/abs/2309.06180
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::kernels {

inline constexpr std::int32_t kKvBlockTokens = 32;  // keys in one block of the cache

// kBf16: half the bytes, in the order that tiles (TDPBF16PS) and vectors both read.
// kInt8: a quarter, with one scale for each key and each value of a head.
// kF32: what the other two are compared with.
enum class KvType : std::uint8_t { kF32, kBf16, kInt8 };

// head_dim rounded up to what tiles and vectors take whole.
constexpr std::int32_t kv_padded(std::int32_t head_dim) { return (head_dim + 31) / 32 * 32; }

constexpr std::size_t kv_value_bytes(KvType type) {
  return type == KvType::kF32 ? 4 : type == KvType::kBf16 ? 2 : 1;
}

// Values of one head and block: as many keys as values.
constexpr std::int32_t kv_head_values(std::int32_t head_dim) {
  return kKvBlockTokens * kv_padded(head_dim);
}

// Bytes of one head and block: keys, values; for kInt8 then float [32] scales of keys, of values.
constexpr std::size_t kv_head_bytes(KvType type, std::int32_t head_dim) {
  const auto values = 2 * static_cast<std::size_t>(kv_head_values(head_dim));
  const std::size_t scales = type == KvType::kInt8 ? 2 * kKvBlockTokens * sizeof(float) : 0;
  return values * kv_value_bytes(type) + scales;
}

// The block of dimensions over which int8 keys are rotated (see RopeAppend): the largest power of
// two that divides head_dim, at most 64; 0 below 16 and for other types, which need none.
constexpr std::int32_t kv_spread(KvType type, std::int32_t head_dim) {
  if (type != KvType::kInt8) return 0;
  const std::int32_t power = head_dim & -head_dim;
  return power < 16 ? 0 : power < 64 ? power : 64;
}

// Bytes of one block of one layer.
constexpr std::size_t kv_block_bytes(KvType type, std::int32_t kv_heads, std::int32_t head_dim) {
  return static_cast<std::size_t>(kv_heads) * kv_head_bytes(type, head_dim);
}

// Index of a key's dimension d among the keys of its head and block. kF32: [padded, 32 keys]. The
// others: [padded / 32][2 of 16 keys][16 pairs of d][16 keys][2], tiles of 16 rows.
constexpr std::int32_t kv_key_index(KvType type, std::int32_t slot, std::int32_t d) {
  if (type == KvType::kF32) return d * kKvBlockTokens + slot;
  return ((d / 32 * 2 + slot / 16) * 16 + d % 32 / 2) * 32 + slot % 16 * 2 + d % 2;
}

// Index of a value's dimension d among the values of its head and block. kF32: [32 keys, padded].
// The others: [padded / 16][16 pairs of keys][16 d][2].
constexpr std::int32_t kv_value_index(KvType type,
                                      std::int32_t head_dim,
                                      std::int32_t slot,
                                      std::int32_t d) {
  if (type == KvType::kF32) return slot * kv_padded(head_dim) + d;
  return (d / 16 * 16 + slot / 2) * 32 + d % 16 * 2 + slot % 2;
}

// One layer's cache. Block b, head h lies at storage + (b · layers · kv_heads + h) · kv_head_bytes:
// between two blocks of one layer may lie those of the others.
struct KvPool {
  std::byte* storage = nullptr;
  std::int32_t blocks = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
  KvType type = KvType::kF32;
  std::int32_t layers = 1;
};

inline std::byte* kv_head_block(const KvPool& pool, std::int32_t block, std::int32_t head) {
  const auto between =
      static_cast<std::size_t>(pool.layers) * static_cast<std::size_t>(pool.kv_heads);
  const auto index = static_cast<std::size_t>(block) * between + static_cast<std::size_t>(head);
  return pool.storage + index * kv_head_bytes(pool.type, pool.head_dim);
}

// One sequence's tokens in a call. Its keys are positions 0 … position + tokens - 1.
struct AttentionSequence {
  const std::int32_t* blocks = nullptr;  // [ceil((position + tokens) / 32)], in order
  std::int32_t row = 0;                  // of its first token in q, k, v and out
  std::int32_t tokens = 0;
  std::int32_t position = 0;  // of the first token
};

}  // namespace troupe::kernels

// Rotation of queries and keys and the writing of the cache, written once for every vector width.
// Included by ISA files only, after a *_vector.hpp.
#pragma once

namespace {

// One head from `x` to `y`, which may be the same.
inline void rotate_pairs(
    const float* x, const float* cos, const float* sin, std::int32_t dims, float* y) {
  std::int32_t i = 0;
  for (; i + kLanes <= dims; i += kLanes) {
    const Vec v = load(x + i);
    store(y + i, add(mul(v, load(cos + i)), mul(swap_pairs(v), load(sin + i))));
  }
  if (i == dims) return;
  const int rest = dims - i;
  const Vec v = load_first(x + i, rest);
  const Vec turned =
      add(mul(v, load_first(cos + i, rest)), mul(swap_pairs(v), load_first(sin + i, rest)));
  store_first(y + i, turned, rest);
}

inline void rotate_halves(
    const float* x, const float* cos, const float* sin, std::int32_t dims, float* y) {
  const std::int32_t half = dims / 2;
  for (std::int32_t i = 0; i < half; i += kLanes) {
    const int rest = half - i < kLanes ? half - i : kLanes;
    const bool whole = rest == kLanes;
    const auto at = [&](const float* p) { return whole ? load(p) : load_first(p, rest); };
    const Vec a = at(x + i);
    const Vec b = at(x + half + i);
    const Vec low = add(mul(a, at(cos + i)), mul(b, at(sin + i)));
    const Vec high = add(mul(b, at(cos + half + i)), mul(a, at(sin + half + i)));
    if (whole) {
      store(y + i, low);
      store(y + half + i, high);
    } else {
      store_first(y + i, low, rest);
      store_first(y + half + i, high, rest);
    }
  }
}

inline void rotate_head(const RopeAppend& op, const float* x, std::ptrdiff_t position, float* y) {
  const std::int32_t dims = op.pool.head_dim;
  const float* cos = op.cos + position * dims;
  const float* sin = op.sin + position * dims;
  if (op.interleaved) {
    rotate_pairs(x, cos, sin, dims, y);
  } else {
    rotate_halves(x, cos, sin, dims, y);
  }
}

// Blocks of a head become block · H / √size, H being the Hadamard matrix; see rope_append.hpp.
inline void spread(float* head, std::int32_t dims, std::int32_t size) {
  if (size < 16) return;
  const Vec factor = broadcast(1.0F / __builtin_sqrtf(static_cast<float>(size)));
  for (std::int32_t i = 0; i < dims; i += kLanes) store(head + i, rotate_lanes(load(head + i)));
  for (std::int32_t step = kLanes; step < size; step *= 2) {
    for (std::int32_t i = 0; i < dims; i += kLanes) {
      if ((i & step) != 0) continue;
      const Vec a = load(head + i);
      const Vec b = load(head + i + step);
      store(head + i, add(a, b));
      store(head + i + step, sub(a, b));
    }
  }
  for (std::int32_t i = 0; i < dims; i += kLanes) store(head + i, mul(load(head + i), factor));
}

// One head of one block: keys, then values, then scales of both for int8.
struct HeadBlock {
  KvType type;
  std::int32_t padded;
  std::byte* keys;

  std::ptrdiff_t value_bytes() const {
    return type == KvType::kF32 ? 4 : type == KvType::kBf16 ? 2 : 1;
  }

  std::byte* values() const { return keys + 32 * padded * value_bytes(); }

  float* scales() const { return reinterpret_cast<float*>(keys + 64 * padded * value_bytes()); }
};

inline HeadBlock head_block(const KvPool& pool, std::ptrdiff_t block, std::int32_t head) {
  const std::int32_t padded = (pool.head_dim + 31) / 32 * 32;
  HeadBlock b{pool.type, padded, pool.storage};
  const std::ptrdiff_t bytes =
      64 * padded * b.value_bytes() + (pool.type == KvType::kInt8 ? 256 : 0);
  b.keys += (block * pool.layers * pool.kv_heads + head) * bytes;
  return b;
}

inline void forget_values(const HeadBlock& b) {
  __builtin_memset(b.values(), 0, static_cast<std::size_t>(32 * b.padded * b.value_bytes()));
  if (b.type == KvType::kInt8) __builtin_memset(b.scales() + 32, 0, 32 * sizeof(float));
}

// `padded` values of a key or value, rounded; `x` is zero beyond head_dim. Returns an int8's scale.
inline float round_to_int8(const float* x, std::int32_t padded, std::int8_t* to) {
  Vec highest = zero();
  Vec spoiled = zero();  // 0 · x is not a number where x is not finite
  for (std::int32_t i = 0; i < padded; i += kLanes) {
    highest = max(highest, absolute(load(x + i)));
    spoiled = add(spoiled, mul(load(x + i), zero()));
  }
  const float largest = max_lanes(highest);
  const float nan = sum_lanes(spoiled);
  if (nan != nan || largest < kQuantizeLeast) {
    __builtin_memset(to, 0, static_cast<std::size_t>(padded));
    return nan != nan ? __builtin_nanf("") : 0.0F;
  }
  const Vec inverse = broadcast(127.0F / largest);
  for (std::int32_t i = 0; i < padded; i += kLanes) store_int8(to + i, mul(load(x + i), inverse));
  return largest / 127.0F;
}

inline void store_key(const HeadBlock& b, std::int32_t slot, const float* x, std::int8_t* bytes) {
  if (b.type == KvType::kF32) {
    auto* keys = reinterpret_cast<float*>(b.keys);
    for (std::int32_t d = 0; d < b.padded; ++d) keys[d * 32 + slot] = x[d];
    return;
  }
  // Pairs of dimensions stay together; pair p of tile t lies in row p, at the key's column.
  const std::int32_t column = slot / 16 * 16 * 16 + slot % 16;
  if (b.type == KvType::kBf16) {
    std::byte* to = b.keys + column * 4;
    for (std::int32_t i = 0; i < b.padded; i += kLanes)
      store_bf16_pairs(to + (i / 32 * 32 + i % 32 / 2) * 64, load(x + i));
    return;
  }
  b.scales()[slot] = round_to_int8(x, b.padded, bytes);
  std::byte* to = b.keys + column * 2;
  for (std::int32_t p = 0; p < b.padded / 2; ++p)
    __builtin_memcpy(to + (p / 16 * 32 + p % 16) * 32, bytes + 2 * p, 2);
}

inline void store_value(const HeadBlock& b, std::int32_t slot, const float* x, std::int8_t* bytes) {
  if (b.type == KvType::kF32) {
    float* to = reinterpret_cast<float*>(b.values()) + slot * b.padded;
    for (std::int32_t d = 0; d < b.padded; ++d) to[d] = x[d];
    return;
  }
  if (b.type == KvType::kBf16) {
    std::byte* to = b.values() + slot / 2 * 64;
    for (std::int32_t i = 0; i < b.padded; i += kLanes)
      store_bf16_halves(to + i / 16 * 1024 + i % 16 * 4, slot % 2, load(x + i));
    return;
  }
  b.scales()[32 + slot] = round_to_int8(x, b.padded, bytes);
  auto* to = reinterpret_cast<std::int8_t*>(b.values()) + slot / 2 * 32 + slot % 2;
  for (std::int32_t d = 0; d < b.padded; ++d) to[d / 16 * 512 + d % 16 * 2] = bytes[d];
}

inline void subtract(const float* center, std::int32_t dims, float* x) {
  for (std::int32_t d = 0; d < dims; ++d) x[d] -= center[d];
}

// Asks for the lines of a token's keys and values. A key of BF16 or int8 lies in a line for each
// pair of dimensions, and in decode all of them come from memory: one after the other takes long.
inline void fetch_slot(const HeadBlock& b, std::int32_t slot) {
  const std::ptrdiff_t line = 32 * b.value_bytes();  // of a row of a tile
  const std::byte* key = b.keys + slot / 16 * 16 * line + slot % 16 * 2 * b.value_bytes();
  for (std::int32_t p = 0; p < b.padded / 2; ++p)
    __builtin_prefetch(key + (p / 16 * 32 + p % 16) * line, 1, 3);
  const std::byte* value = b.values() + slot / 2 * line;
  for (std::int32_t d = 0; d < b.padded; d += 16) __builtin_prefetch(value + d * line, 1, 3);
}

// Keys and values of one token; `scratch` holds rope_append_scratch_floats(head_dim).
inline void append_token(const RopeAppend& op,
                         const AttentionSequence& s,
                         std::int32_t token,
                         float* scratch) {
  const KvPool& pool = op.pool;
  const std::int32_t dims = pool.head_dim;
  const std::int32_t padded = (dims + 31) / 32 * 32;
  const std::int32_t position = s.position + token;
  const std::int32_t slot = position % 32;
  auto* bytes = reinterpret_cast<std::int8_t*>(scratch + padded);
  for (std::int32_t d = dims; d < padded; ++d) scratch[d] = 0.0F;
  for (std::int32_t head = 0; head < pool.kv_heads; ++head) {
    const HeadBlock b = head_block(pool, s.blocks[position / 32], head);
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(s.row + token) * pool.kv_heads + head;
    if (slot == 0) forget_values(b);
    rotate_head(op, op.k + row * dims, position, scratch);
    if (op.key_center != nullptr) subtract(op.key_center + head * dims, dims, scratch);
    spread(scratch, dims, op.spread);
    store_key(b, slot, scratch, bytes);
    __builtin_memcpy(scratch, op.v + row * dims, static_cast<std::size_t>(dims) * sizeof(float));
    store_value(b, slot, scratch, bytes);
  }
}

inline void rope_append_tile(const RopeAppend& op, const RopeAppendTile& tile, float* scratch) {
  const AttentionSequence& s = *tile.sequence;
  if (tile.end - tile.begin == 1 && op.pool.type != KvType::kF32) {
    const std::int32_t position = s.position + tile.begin;
    for (std::int32_t head = 0; head < op.pool.kv_heads; ++head)
      fetch_slot(head_block(op.pool, s.blocks[position / 32], head), position % 32);
  }
  for (std::int32_t token = tile.begin; token < tile.end; ++token) {
    const std::ptrdiff_t row = s.row + token;
    for (std::int32_t head = 0; head < op.heads; ++head) {
      float* q = op.q + (row * op.heads + head) * op.pool.head_dim;
      rotate_head(op, q, s.position + token, q);
      spread(q, op.pool.head_dim, op.spread);
    }
    append_token(op, s, token, scratch);
  }
}

}  // namespace

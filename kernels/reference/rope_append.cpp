// The plain form of rotation and of writing the cache, by the layout's index functions.
#include "kernels/rope_append.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/quantize.hpp"
#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {
namespace {

void spread(std::vector<float>& head, std::int32_t size) {
  if (size < 16) return;
  const auto step_max = static_cast<std::size_t>(size);
  for (std::size_t step = 1; step < step_max; step *= 2) {
    for (std::size_t i = 0; i < head.size(); ++i) {
      if ((i & step) != 0) continue;
      const float a = head[i];
      const float b = head[i + step];
      head[i] = a + b;
      head[i + step] = a - b;
    }
  }
  for (float& value : head) value *= 1.0F / std::sqrt(static_cast<float>(size));
}

// `center` may be null.
std::vector<float> rotated(const RopeAppend& op,
                           const float* x,
                           std::ptrdiff_t position,
                           const float* center) {
  const std::int32_t dims = op.pool.head_dim;
  std::vector<float> y(static_cast<std::size_t>(dims));
  for (std::int32_t i = 0; i < dims; ++i) {
    const std::int32_t partner = op.interleaved ? i ^ 1 : (i + dims / 2) % dims;
    const std::ptrdiff_t at = position * dims + i;
    y[static_cast<std::size_t>(i)] = x[i] * op.cos[at] + x[partner] * op.sin[at];
  }
  for (std::int32_t i = 0; center != nullptr && i < dims; ++i)
    y[static_cast<std::size_t>(i)] -= center[i];
  spread(y, op.spread);
  return y;
}

// Keys or values of one head and block.
struct HeadValues {
  KvType type;
  std::byte* data;
  float* scales;  // [32], for int8

  template <typename T>
  void put(std::int32_t index, T value) const {
    std::memcpy(data + static_cast<std::size_t>(index) * sizeof value, &value, sizeof value);
  }
};

// `index` says where dimension d lies.
template <typename Index>
void store(const HeadValues& to, std::int32_t slot, const std::vector<float>& x, Index index) {
  const auto dims = static_cast<std::int32_t>(x.size());
  float largest = 0;
  bool finite = true;
  for (const float value : x) {
    largest = std::max(largest, std::abs(value));
    finite = finite && std::isfinite(value);
  }
  const bool nothing = !finite || largest < kQuantizeLeast;
  const float inverse = 127.0F / largest;
  for (std::int32_t d = 0; d < dims; ++d) {
    const float value = x[static_cast<std::size_t>(d)];
    if (to.type == KvType::kF32) to.put(index(d), value);
    if (to.type == KvType::kBf16) to.put(index(d), to_bf16(value));
    if (to.type == KvType::kInt8)
      to.put(index(d), static_cast<std::int8_t>(nothing ? 0.0F : std::nearbyint(value * inverse)));
  }
  if (to.type == KvType::kInt8)
    to.scales[slot] = !finite   ? std::numeric_limits<float>::quiet_NaN()
                      : nothing ? 0.0F
                                : largest / 127.0F;
}

void append(const RopeAppend& op,
            const AttentionSequence& s,
            std::int32_t token,
            std::int32_t head) {
  const KvPool& pool = op.pool;
  const std::int32_t dims = pool.head_dim;
  const std::int32_t position = s.position + token;
  const std::int32_t slot = position % kKvBlockTokens;
  const std::ptrdiff_t row = std::ptrdiff_t{s.row + token} * pool.kv_heads + head;
  const std::size_t half =
      static_cast<std::size_t>(kv_head_values(dims)) * kv_value_bytes(pool.type);
  std::byte* const at = kv_head_block(pool, s.blocks[position / kKvBlockTokens], head);
  auto* const scales = reinterpret_cast<float*>(at + 2 * half);
  if (slot == 0) std::memset(at + half, 0, half);
  if (slot == 0 && pool.type == KvType::kInt8)
    std::memset(scales + kKvBlockTokens, 0, kKvBlockTokens * sizeof(float));
  const float* v = op.v + row * dims;
  const float* center = op.key_center != nullptr ? op.key_center + head * dims : nullptr;
  const std::vector<float> key = rotated(op, op.k + row * dims, position, center);
  store({pool.type, at, scales}, slot, key, [&](std::int32_t d) {
    return kv_key_index(pool.type, slot, d);
  });
  store({pool.type, at + half, scales + kKvBlockTokens},
        slot,
        std::vector<float>(v, v + dims),
        [&](std::int32_t d) { return kv_value_index(pool.type, dims, slot, d); });
}

}  // namespace

void rope_append(const RopeAppend& op, const RopeAppendTile& tile, float*) {
  const AttentionSequence& s = *tile.sequence;
  for (std::int32_t token = tile.begin; token < tile.end; ++token) {
    for (std::int32_t head = 0; head < op.heads; ++head) {
      float* q = op.q + (std::ptrdiff_t{s.row + token} * op.heads + head) * op.pool.head_dim;
      const std::vector<float> turned = rotated(op, q, s.position + token, nullptr);
      std::copy(turned.begin(), turned.end(), q);
    }
    for (std::int32_t head = 0; head < op.pool.kv_heads; ++head) append(op, s, token, head);
  }
}

}  // namespace troupe::kernels::reference

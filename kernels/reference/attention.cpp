#include "kernels/attention.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {
namespace {

// The cache of one sequence and head, by absolute position.
struct HeadCache {
  const KvPool& pool;
  const std::int32_t* blocks;
  std::int32_t head;

  // Half 0 holds keys, half 1 values.
  double stored(std::int32_t position, int half, std::int32_t index) const {
    const std::byte* at = kv_head_block(pool, blocks[position / kKvBlockTokens], head);
    const auto values = static_cast<std::size_t>(kv_head_values(pool.head_dim));
    const std::size_t bytes = kv_value_bytes(pool.type);
    const std::byte* from =
        at + (static_cast<std::size_t>(half) * values + static_cast<std::size_t>(index)) * bytes;
    if (pool.type == KvType::kInt8) {
      const auto* scales = reinterpret_cast<const float*>(at + 2 * values) + half * kKvBlockTokens;
      return static_cast<double>(static_cast<std::int8_t>(*from)) *
             static_cast<double>(scales[position % kKvBlockTokens]);
    }
    std::uint32_t bits = 0;  // BF16 is the upper half of an FP32
    std::memcpy(reinterpret_cast<std::byte*>(&bits) + 4 - bytes, from, bytes);
    return static_cast<double>(std::bit_cast<float>(bits));
  }

  double key(std::int32_t position, std::int32_t d) const {
    return stored(position, 0, kv_key_index(pool.type, position % kKvBlockTokens, d));
  }

  double value(std::int32_t position, std::int32_t d) const {
    const std::int32_t slot = position % kKvBlockTokens;
    return stored(position, 1, kv_value_index(pool.type, pool.head_dim, slot, d));
  }
};

// Keys 0 … last.
void attend(
    const Attention& op, const HeadCache& cache, std::int32_t last, const float* q, float* out) {
  const std::int32_t dims = op.pool.head_dim;
  std::vector<double> weights;
  for (std::int32_t p = 0; p <= last; ++p) {
    double score = 0;
    for (std::int32_t d = 0; d < dims; ++d) score += static_cast<double>(q[d]) * cache.key(p, d);
    weights.push_back(score * static_cast<double>(op.scale));
  }
  const double maximum = *std::max_element(weights.begin(), weights.end());
  double total = 0;
  for (double& weight : weights) total += weight = std::exp(weight - maximum);
  for (std::int32_t d = 0; d < dims; ++d) {
    double sum = 0;
    for (std::int32_t p = 0; p <= last; ++p)
      sum += weights[static_cast<std::size_t>(p)] * cache.value(p, d);
    out[d] = static_cast<float>(sum / total);
  }
}

}  // namespace

void attention(const Attention& op, const AttentionTile& tile) {
  const AttentionSequence& s = *tile.sequence;
  const std::int32_t group = op.heads / op.pool.kv_heads;
  const HeadCache cache{op.pool, s.blocks, tile.kv_head};
  for (std::int32_t i = tile.query_begin; i < tile.query_end; ++i) {
    for (std::int32_t g = 0; g < group; ++g) {
      const std::ptrdiff_t row = std::ptrdiff_t{s.row + i} * op.heads + tile.kv_head * group + g;
      const std::ptrdiff_t at = row * op.pool.head_dim;
      attend(op, cache, s.position + i, op.q + at, op.out + at);
    }
  }
}

}  // namespace troupe::kernels::reference

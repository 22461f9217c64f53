#include "kernels/attention.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {
namespace {

// The cache of one sequence and head, by absolute position.
struct HeadCache {
  const KvPool& pool;
  const std::int32_t* blocks;
  std::int32_t head;

  const float* block(std::int32_t position) const {
    const std::ptrdiff_t index = blocks[position / kKvBlockTokens];
    return pool.storage + (index * pool.kv_heads + head) * kv_head_floats(pool.head_dim);
  }

  double key(std::int32_t position, std::int32_t d) const {
    return static_cast<double>(block(position)[d * kKvBlockTokens + position % kKvBlockTokens]);
  }

  double value(std::int32_t position, std::int32_t d) const {
    const std::int32_t row = position % kKvBlockTokens;
    const std::int32_t keys = kKvBlockTokens * pool.head_dim;
    return static_cast<double>(block(position)[keys + row * kv_padded(pool.head_dim) + d]);
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

#include "model/packed_layout.hpp"

#include <algorithm>
#include <string>

#include "config/user_error.hpp"
#include "kernels/int8_layout.hpp"

namespace troupe::model {
namespace {

class Carver {
 public:
  std::size_t take(std::size_t bytes) {
    const std::size_t at = at_;
    at_ += (bytes + 63) / 64 * 64;
    return at;
  }

  std::size_t floats(std::int32_t count) {
    return take(static_cast<std::size_t>(count) * sizeof(float));
  }

  PackedMatrix matrix(std::int32_t n, std::int32_t k) {
    const std::int32_t padded_n = kernels::int8_padded_n(n);
    const auto weights =
        static_cast<std::size_t>(padded_n) * static_cast<std::size_t>(kernels::int8_padded_k(k));
    PackedMatrix matrix{.n = n, .k = k};
    matrix.tiles = take(weights);
    matrix.scales = floats(padded_n);
    matrix.sums = floats(padded_n);
    return matrix;
  }

  std::size_t bytes() const { return at_; }

 private:
  std::size_t at_ = 0;
};

}  // namespace

PackedLayout packed_layout(const Architecture& a) {
  const std::int32_t queries = a.heads * a.head_dim;
  const std::int32_t keys = a.kv_heads * a.head_dim;
  const std::int32_t widest = std::max({a.hidden, queries, a.feed_forward});
  if (widest > kernels::kInt8DepthMax) {
    throw config::UserError(a.display_name + ": a layer of " + std::to_string(widest) +
                            " inputs is wider than int8 sums allow (" +
                            std::to_string(kernels::kInt8DepthMax) + "): use --precision fp32");
  }
  Carver carver;
  PackedLayout layout;
  for (std::int32_t i = 0; i < a.layers; ++i) {
    PackedLayer layer;
    layer.query = carver.matrix(queries, a.hidden);
    layer.key = carver.matrix(keys, a.hidden);
    layer.value = carver.matrix(keys, a.hidden);
    layer.attention_output = carver.matrix(a.hidden, queries);
    layer.gate_up = carver.matrix(gate_up_columns(a.feed_forward), a.hidden);
    layer.down = carver.matrix(a.hidden, a.feed_forward);
    layer.attention_norm = carver.floats(a.hidden);
    layer.value_bias = carver.floats(keys);
    layer.feed_forward_norm = carver.floats(a.hidden);
    layout.layers.push_back(layer);
  }
  layout.head = carver.matrix(a.vocab, a.hidden);
  layout.output_norm = carver.floats(a.hidden);
  layout.bytes = carver.bytes();
  return layout;
}

}  // namespace troupe::model

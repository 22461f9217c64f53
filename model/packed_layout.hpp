// Where everything lies in the packed int8 weights of a model: a function of its shape alone, so
// that a packed file states no offsets that could lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/architecture.hpp"

namespace troupe::model {

// Offsets in bytes from the start of the payload, each a multiple of 64.
struct PackedMatrix {
  std::size_t tiles = 0;   // see kernels/int8_layout.hpp
  std::size_t scales = 0;  // float [padded_n]
  std::size_t sums = 0;    // int32 [padded_n]
  std::int32_t n = 0;
  std::int32_t k = 0;
};

// Vectors are those that smoothing changes.
struct PackedLayer {
  PackedMatrix query, key, value, attention_output, down;
  PackedMatrix gate_up;               // panels of 16 columns of gate, then the same 16 of up
  std::size_t attention_norm = 0;     // float [hidden]
  std::size_t value_bias = 0;         // float [kv_heads · head_dim]; zeros where there is none
  std::size_t feed_forward_norm = 0;  // float [hidden]
};

// Columns of gate and up in one matrix, each padded to whole halves of a panel.
constexpr std::int32_t gate_up_columns(std::int32_t feed_forward) {
  return 2 * ((feed_forward + 15) / 16 * 16);
}

struct PackedLayout {
  std::vector<PackedLayer> layers;
  PackedMatrix head;
  std::size_t output_norm = 0;  // float [hidden]
  std::size_t bytes = 0;        // of the whole payload
};

// Throws config::UserError for a layer wider than int32 sums allow.
PackedLayout packed_layout(const Architecture& architecture);

}  // namespace troupe::model

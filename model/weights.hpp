// The tensors of a model file, found by name and held against the shape that the file
// states. Names: github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/device.hpp"
#include "kernels/grouped_linear.hpp"
#include "kernels/tensor_type.hpp"
#include "model/architecture.hpp"

namespace troupe::model {

class ModelFile;

// A weight matrix as it lies in the file.
struct Matrix {
  kernels::TensorType type = kernels::TensorType::kF32;
  const std::byte* data = nullptr;  // [rows, columns]
  std::int32_t rows = 0;
  std::int32_t columns = 0;
  kernels::GroupedWeights grouped;  // the same weights, where they were packed so
};

struct LayerWeights {
  const float* attention_norm = nullptr;         // [hidden]
  Matrix query;                                  // [heads · head_dim, hidden]
  Matrix key;                                    // [kv_heads · head_dim, hidden]
  Matrix value;                                  // [kv_heads · head_dim, hidden]
  Matrix attention_output;                       // [hidden, heads · head_dim]
  const float* query_bias = nullptr;             // [heads · head_dim], or null, as all biases
  const float* key_bias = nullptr;               // [kv_heads · head_dim]
  const float* value_bias = nullptr;             // [kv_heads · head_dim]
  const float* attention_output_bias = nullptr;  // [hidden]
  const float* query_norm = nullptr;             // [head_dim], with query_key_norms
  const float* key_norm = nullptr;               // [head_dim], the same
  const float* feed_forward_norm = nullptr;      // [hidden]
  Matrix gate;                                   // [feed_forward, hidden]
  Matrix up;                                     // [feed_forward, hidden]
  Matrix down;                                   // [hidden, feed_forward]
};

// Matrices are views into the file; vectors are copied as FP32.
struct Weights {
  Matrix embedding;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  const float* output_norm = nullptr;  // [hidden]
  Matrix head;  // [vocab, hidden]; the embedding itself where the file has no other
  kernels::DeviceBuffer vectors;
};

// Throws config::UserError naming file, tensor, and what was expected and found.
Weights read_weights(const ModelFile& file,
                     const Architecture& architecture,
                     kernels::Device& device);

// Of all tensors' names, types, shapes and bytes. It reads all of them; `on_part` as in
// checksum.hpp.
std::uint64_t weights_fingerprint(const ModelFile& file, const std::function<void()>& on_part = {});

}  // namespace troupe::model

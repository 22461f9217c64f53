// A random model of a few layers in memory, small enough for sanitizers, with weights of mixed
// types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/random_weights.hpp"
#include "tests/support/gguf_builder.hpp"

namespace troupe::tests {

struct TinyModel {
  std::string family = "llama";
  std::uint32_t layers = 2;
  std::uint32_t hidden = 256;
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t feed_forward = 288;
  std::uint32_t vocab = 67;
  std::string leave_out;    // a tensor that is missing
  std::string narrow;       // a tensor that has one row too few
  std::string more_vector;  // a vector of a head's width that every layer has too
  bool tied = true;
  std::optional<kernels::TensorType> all_matrices;  // of this type, instead of mixed ones
  bool expanded = false;             // matrices as F32, with the values that their own types state
  std::int32_t poisoned_token = -1;  // its embedding is not a number; wants untied heads

  GgufBuilder builder() const {
    GgufBuilder gguf;
    const auto key = [&](const char* name) { return family + "." + name; };
    gguf.string("general.architecture", family);
    gguf.uint32(key("block_count"), layers).uint32(key("embedding_length"), hidden);
    gguf.uint32(key("attention.head_count"), heads)
        .uint32(key("attention.head_count_kv"), kv_heads);
    gguf.uint32(key("feed_forward_length"), feed_forward).uint32(key("context_length"), 2048);
    gguf.float32(key("attention.layer_norm_rms_epsilon"), 1e-5F);
    add_all(gguf);
    return gguf;
  }

  std::vector<std::byte> build() const { return builder().build(); }

 private:
  using Type = kernels::TensorType;

  void add_all(GgufBuilder& gguf) const {
    const std::uint32_t keys = hidden / heads * kv_heads;
    matrix(gguf, "token_embd.weight", Type::kQ8_0, hidden, vocab);
    vector(gguf, "output_norm.weight", hidden);
    if (!tied) matrix(gguf, "output.weight", Type::kF16, hidden, vocab);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      vector(gguf, prefix + "attn_norm.weight", hidden);
      matrix(gguf, prefix + "attn_q.weight", Type::kQ4_1, hidden, hidden);
      matrix(gguf, prefix + "attn_k.weight", Type::kQ5_0, hidden, keys);
      matrix(gguf, prefix + "attn_v.weight", Type::kQ6_K, hidden, keys);
      matrix(gguf, prefix + "attn_output.weight", Type::kQ4_K, hidden, hidden);
      vector(gguf, prefix + "ffn_norm.weight", hidden);
      matrix(gguf, prefix + "ffn_gate.weight", Type::kQ4_1, hidden, feed_forward);
      matrix(gguf, prefix + "ffn_up.weight", Type::kQ8_0, hidden, feed_forward);
      matrix(gguf, prefix + "ffn_down.weight", Type::kBF16, feed_forward, hidden);
      if (family == "qwen3") {
        vector(gguf, prefix + "attn_q_norm.weight", hidden / heads);
        vector(gguf, prefix + "attn_k_norm.weight", hidden / heads);
      }
      if (!more_vector.empty()) vector(gguf, prefix + more_vector, hidden / heads);
      if (family != "qwen2") continue;
      vector(gguf, prefix + "attn_q.bias", hidden);
      vector(gguf, prefix + "attn_k.bias", keys);
      vector(gguf, prefix + "attn_v.bias", keys);
    }
  }

  void matrix(GgufBuilder& gguf,
              const std::string& name,
              Type mixed_type,
              std::uint32_t columns,
              std::uint32_t rows) const {
    if (name == leave_out) return;
    if (name == narrow) --rows;
    const Type type = all_matrices.value_or(mixed_type);
    const auto seed = static_cast<std::uint32_t>(std::hash<std::string>()(name));
    auto data = kernels::random_weights(
        type, static_cast<std::int32_t>(columns), static_cast<std::int32_t>(rows), seed);
    if (name == "token_embd.weight" && poisoned_token >= 0) poison(data, type, columns);
    if (expanded) {
      gguf.tensor_f32(name, {columns, rows}, values_of(data, type, columns));
    } else {
      gguf.tensor(name, type, {columns, rows}, data);
    }
  }

  static std::vector<float> values_of(const std::vector<std::byte>& data,
                                      Type type,
                                      std::uint32_t columns) {
    const std::size_t row_bytes = kernels::row_bytes(type, static_cast<std::int32_t>(columns));
    const std::size_t rows = data.size() / row_bytes;
    std::vector<float> values(rows * columns);
    for (std::size_t row = 0; row < rows; ++row) {
      kernels::reference::expand_row(type,
                                     data.data() + row * row_bytes,
                                     static_cast<std::int32_t>(columns),
                                     values.data() + row * columns);
    }
    return values;
  }

  // The scale of the row's first block becomes FP16's quiet NaN.
  void poison(std::vector<std::byte>& data, Type type, std::uint32_t columns) const {
    const std::size_t row = kernels::row_bytes(type, static_cast<std::int32_t>(columns));
    const std::size_t at = row * static_cast<std::size_t>(poisoned_token);
    data[at] = std::byte{0x00};
    data[at + 1] = std::byte{0x7E};
  }

  void vector(GgufBuilder& gguf, const std::string& name, std::uint32_t size) const {
    if (name == leave_out) return;
    const std::vector<float> values =
        kernels::random_floats(size, size + static_cast<std::uint32_t>(name.size()));
    gguf.tensor_f32(name, {size}, values);
  }
};

}  // namespace troupe::tests

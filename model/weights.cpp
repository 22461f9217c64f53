#include "model/weights.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "config/user_error.hpp"
#include "kernels/reference/reference.hpp"
#include "model/checksum.hpp"
#include "model/model_file.hpp"

namespace troupe::model {
namespace {

using kernels::TensorType;

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (const std::uint64_t size : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

// Finds tensors and copies vectors into one buffer, in two passes of the same calls: the first adds
// up sizes.
class Reader {
 public:
  Reader(const ModelFile& file, kernels::Device& device) : file_(file), device_(device) {}

  Matrix matrix(const std::string& name, std::int32_t rows, std::int32_t columns) const {
    const TensorInfo& tensor = file_.tensor(name);
    expect(tensor, {static_cast<std::uint64_t>(columns), static_cast<std::uint64_t>(rows)});
    return {tensor.type, tensor.data.data(), rows, columns, {}};
  }

  const float* vector(const std::string& name, std::int32_t size) {
    return copy(file_.tensor(name), size);
  }

  const float* optional_vector(const std::string& name, std::int32_t size) {
    const TensorInfo* tensor = file_.find_tensor(name);
    return tensor == nullptr ? nullptr : copy(*tensor, size);
  }

  // A tensor that the forward pass would leave out, so that its answers would be wrong.
  void refuse(const std::string& name, const Architecture& a) const {
    if (file_.find_tensor(name) == nullptr) return;
    throw config::UserError(file_.name() + ": tensor '" + name + "' is not supported in a " +
                            a.family + " model: give a model without it");
  }

  // Between the passes.
  void allocate() {
    buffer_ = device_.allocate(floats_ * sizeof(float));
    floats_ = 0;
  }

  kernels::DeviceBuffer take_buffer() { return std::move(buffer_); }

 private:
  void expect(const TensorInfo& tensor, std::vector<std::uint64_t> shape) const {
    if (tensor.shape != shape) {
      throw config::UserError(file_.name() + ": tensor '" + tensor.name + "' has shape " +
                              shape_text(tensor.shape) + ", expected " + shape_text(shape) +
                              ": convert the model again");
    }
    const auto columns = static_cast<std::int32_t>(shape.front());
    const kernels::BlockShape block = kernels::block_shape(tensor.type);
    if (block.values == 0 || shape.front() % block.values != 0) {
      throw config::UserError(file_.name() + ": tensor '" + tensor.name + "' of type " +
                              std::string(kernels::type_name(tensor.type)) + " has rows of " +
                              std::to_string(columns) +
                              " values, which are not whole blocks: convert the model again");
    }
    const std::uint64_t rows = shape.size() > 1 ? shape[1] : 1;
    const std::uint64_t bytes = rows * kernels::row_bytes(tensor.type, columns);
    if (tensor.data.size() != bytes) {
      throw config::UserError(file_.name() + ": tensor '" + tensor.name + "' has " +
                              std::to_string(tensor.data.size()) + " bytes, expected " +
                              std::to_string(bytes) + ": download the file again");
    }
  }

  const float* copy(const TensorInfo& tensor, std::int32_t size) {
    expect(tensor, {static_cast<std::uint64_t>(size)});
    const std::size_t at = floats_;
    floats_ += (static_cast<std::size_t>(size) + 15) / 16 * 16;
    if (buffer_.data() == nullptr) return nullptr;
    std::vector<float> values(static_cast<std::size_t>(size));
    kernels::reference::expand_row(tensor.type, tensor.data.data(), size, values.data());
    float* target = reinterpret_cast<float*>(buffer_.data()) + at;
    device_.copy_to_device(target, values.data(), values.size() * sizeof(float));
    return target;
  }

  const ModelFile& file_;
  kernels::Device& device_;
  kernels::DeviceBuffer buffer_;
  std::size_t floats_ = 0;
};

LayerWeights read_layer(Reader& reader, const Architecture& a, std::int32_t index) {
  const std::string prefix = "blk." + std::to_string(index) + ".";
  const std::int32_t queries = a.heads * a.head_dim;
  const std::int32_t keys = a.kv_heads * a.head_dim;
  LayerWeights layer;
  layer.attention_norm = reader.vector(prefix + "attn_norm.weight", a.hidden);
  layer.query = reader.matrix(prefix + "attn_q.weight", queries, a.hidden);
  layer.key = reader.matrix(prefix + "attn_k.weight", keys, a.hidden);
  layer.value = reader.matrix(prefix + "attn_v.weight", keys, a.hidden);
  layer.attention_output = reader.matrix(prefix + "attn_output.weight", a.hidden, queries);
  layer.query_bias = reader.optional_vector(prefix + "attn_q.bias", queries);
  layer.key_bias = reader.optional_vector(prefix + "attn_k.bias", keys);
  layer.value_bias = reader.optional_vector(prefix + "attn_v.bias", keys);
  layer.attention_output_bias = reader.optional_vector(prefix + "attn_output.bias", a.hidden);
  if (a.query_key_norms) {
    layer.query_norm = reader.vector(prefix + "attn_q_norm.weight", a.head_dim);
    layer.key_norm = reader.vector(prefix + "attn_k_norm.weight", a.head_dim);
  } else {
    reader.refuse(prefix + "attn_q_norm.weight", a);
    reader.refuse(prefix + "attn_k_norm.weight", a);
  }
  for (const char* name : {"ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"})
    reader.refuse(prefix + name, a);
  layer.feed_forward_norm = reader.vector(prefix + "ffn_norm.weight", a.hidden);
  layer.gate = reader.matrix(prefix + "ffn_gate.weight", a.feed_forward, a.hidden);
  layer.up = reader.matrix(prefix + "ffn_up.weight", a.feed_forward, a.hidden);
  layer.down = reader.matrix(prefix + "ffn_down.weight", a.hidden, a.feed_forward);
  return layer;
}

void read_all(Reader& reader, const ModelFile& file, const Architecture& a, Weights& weights) {
  weights.embedding = reader.matrix("token_embd.weight", a.vocab, a.hidden);
  weights.layers.clear();
  for (std::int32_t i = 0; i < a.layers; ++i) weights.layers.push_back(read_layer(reader, a, i));
  weights.output_norm = reader.vector("output_norm.weight", a.hidden);
  const bool tied = file.find_tensor("output.weight") == nullptr;
  reader.refuse("output.bias", a);
  weights.head = tied ? weights.embedding : reader.matrix("output.weight", a.vocab, a.hidden);
}

}  // namespace

Weights read_weights(const ModelFile& file,
                     const Architecture& architecture,
                     kernels::Device& device) {
  Reader reader(file, device);
  Weights weights;
  read_all(reader, file, architecture, weights);
  reader.allocate();
  read_all(reader, file, architecture, weights);
  weights.vectors = reader.take_buffer();
  return weights;
}

std::uint64_t weights_fingerprint(const ModelFile& file, const std::function<void()>& on_part) {
  std::vector<std::uint64_t> words;
  for (const TensorInfo& tensor : file.tensors()) {
    words.push_back(checksum(std::as_bytes(std::span(tensor.name))));
    words.push_back(static_cast<std::uint64_t>(tensor.type));
    words.push_back(tensor.shape.size());
    words.insert(words.end(), tensor.shape.begin(), tensor.shape.end());
    words.push_back(checksum(tensor.data, on_part));
  }
  return checksum(std::as_bytes(std::span(words)));
}

}  // namespace troupe::model

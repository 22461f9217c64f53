// Linear layers on packed int8 weights: each input is normed where a norm stands before it, rotated
// and rounded once for all layers that read it.
#include <algorithm>
#include <span>

#include "model/linear_layers.hpp"
#include "model/model_file.hpp"
#include "model/packed_weights.hpp"

namespace troupe::model {
namespace {

using Output = kernels::Int8Output;

// Values from row to row of the gate: not a multiple of 512 bytes, at which 32 rows would fall into
// few sets of the first cache.
std::int32_t gate_stride(std::int32_t feed_forward) {
  const std::int32_t columns = gate_up_columns(feed_forward) / 2;
  return columns % 256 == 0 ? columns + 16 : columns;
}

class PackedLayers final : public LinearLayers {
 public:
  PackedLayers(const LayersSource& source, const WeightsOptions& options)
      : a_(source.architecture),
        weights_(source.weights),
        device_(source.device),
        packed_(open_packed_weights(
            source.file, source.architecture, source.weights, source.device, options)),
        gate_stride_(gate_stride(a_.feed_forward)) {
    const auto rows = static_cast<std::size_t>(kernels::int8_padded_rows(source.rows_max));
    const std::int32_t widest = std::max({a_.hidden, a_.heads * a_.head_dim, a_.feed_forward});
    rounded_ = device_.allocate(rows * static_cast<std::size_t>(kernels::int8_padded_k(widest)));
    scales_ = device_.allocate(rows * sizeof(float));
    gate_ = device_.allocate(rows * static_cast<std::size_t>(gate_stride_) * sizeof(kernels::Bf16));
  }

  void attention_inputs(std::int32_t layer,
                        const float* residual,
                        std::int32_t rows,
                        const AttentionInputs& to) override {
    const PackedLayer& p = packed_.layout().layers[static_cast<std::size_t>(layer)];
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    round(residual, rows, a_.hidden, packed_.floats(p.attention_norm));
    const float* value_bias = w.value_bias != nullptr ? packed_.floats(p.value_bias) : nullptr;
    const kernels::Int8Linear ops[] = {linear(p.query, rows, to.q, w.query_bias),
                                       linear(p.key, rows, to.k, w.key_bias),
                                       linear(p.value, rows, to.v, value_bias)};
    device_.run(ops);
  }

  void attention_output(std::int32_t layer,
                        const float* attended,
                        std::int32_t rows,
                        float* residual) override {
    const PackedLayer& p = packed_.layout().layers[static_cast<std::size_t>(layer)];
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    const std::int32_t width = a_.heads * a_.head_dim;
    round(attended, rows, width, nullptr);
    run(linear(p.attention_output, rows, residual, w.attention_output_bias, Output::kAdd));
  }

  void feed_forward(std::int32_t layer, std::int32_t rows, float* residual) override {
    const PackedLayer& p = packed_.layout().layers[static_cast<std::size_t>(layer)];
    round(residual, rows, a_.hidden, packed_.floats(p.feed_forward_norm));
    auto* gated = reinterpret_cast<kernels::Bf16*>(gate_.data());
    kernels::Int8Linear gate_up = linear(p.gate_up, rows, nullptr, nullptr, Output::kSiluMul);
    gate_up.gated = gated;
    gate_up.y_stride = gate_stride_;
    run(gate_up);
    kernels::Quantize input = input_of(rows, a_.feed_forward);
    input.gated = gated;
    input.x_stride = gate_stride_;
    device_.run(input);
    run(linear(p.down, rows, residual, nullptr, Output::kAdd));
  }

  void head(const float* residual, std::int32_t rows, float* logits) override {
    round(residual, rows, a_.hidden, packed_.floats(packed_.layout().output_norm));
    run(linear(packed_.layout().head, rows, logits, nullptr));
  }

  std::string weights_id() const override { return packed_.id(); }

  std::string_view mode() const override { return "int8"; }

 private:
  // Of `rows` rows of `width` values, into rounded_ and scales_.
  kernels::Quantize input_of(std::int32_t rows, std::int32_t width) const {
    return {.q = reinterpret_cast<std::int8_t*>(rounded_.data()),
            .scale = reinterpret_cast<float*>(scales_.data()),
            .rows = rows,
            .k = width,
            .x_stride = width,
            .epsilon = a_.norm_epsilon};
  }

  // x is [rows, width], and normed where `norm` is given.
  void round(const float* x, std::int32_t rows, std::int32_t width, const float* norm) {
    kernels::Quantize input = input_of(rows, width);
    input.x = x;
    input.norm = norm;
    device_.run(input);
  }

  // A layer over what was rounded last.
  kernels::Int8Linear linear(const PackedMatrix& matrix,
                             std::int32_t rows,
                             float* y,
                             const float* bias,
                             Output output = Output::kStore) const {
    return {.weights = packed_.matrix(matrix),
            .x = reinterpret_cast<const std::int8_t*>(rounded_.data()),
            .x_scale = reinterpret_cast<const float*>(scales_.data()),
            .bias = bias,
            .y = y,
            .rows = rows,
            .y_stride = matrix.n,
            .output = output};
  }

  void run(const kernels::Int8Linear& op) { device_.run(std::span(&op, 1)); }

  const Architecture& a_;
  const Weights& weights_;  // for the vectors that smoothing leaves as they are
  kernels::Device& device_;
  PackedWeights packed_;
  std::int32_t gate_stride_;
  kernels::DeviceBuffer rounded_;  // int8 [padded rows, padded k] of the input at hand
  kernels::DeviceBuffer scales_;   // float [rows]
  kernels::DeviceBuffer gate_;     // Bf16 [rows, gate_stride_]
};

}  // namespace

std::unique_ptr<LinearLayers> make_packed_layers(const LayersSource& source,
                                                 const WeightsOptions& options) {
  return std::make_unique<PackedLayers>(source, options);
}

}  // namespace troupe::model

// Linear layers in BF16 on weights as the file has them: inputs are normed and rounded once for all
// layers that read them, and the gate's output is the input of `down` as it comes.
#include <algorithm>
#include <span>

#include "model/checksum.hpp"
#include "model/linear_layers.hpp"
#include "model/model_file.hpp"

namespace troupe::model {
namespace {

class Bf16Layers final : public LinearLayers {
 public:
  Bf16Layers(const LayersSource& source, const WeightsOptions& options)
      : a_(source.architecture),
        weights_(source.weights),
        device_(source.device),
        id_(hexadecimal(weights_fingerprint(source.file, options.on_part))),
        rounded_(rows(source.rows_max, std::max(a_.hidden, a_.heads * a_.head_dim))),
        gated_(rows(source.rows_max, a_.feed_forward)) {}

  void attention_inputs(std::int32_t layer,
                        const float* residual,
                        std::int32_t rows,
                        const AttentionInputs& to) override {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    const kernels::Bf16* x = round(residual, rows, a_.hidden, w.attention_norm);
    const kernels::Bf16Linear ops[] = {linear(w.query, x, rows, to.q, w.query_bias),
                                       linear(w.key, x, rows, to.k, w.key_bias),
                                       linear(w.value, x, rows, to.v, w.value_bias)};
    device_.run(ops);
  }

  void attention_output(std::int32_t layer,
                        const float* attended,
                        std::int32_t rows,
                        float* residual) override {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    const kernels::Bf16* x = round(attended, rows, a_.heads * a_.head_dim, nullptr);
    add(linear(w.attention_output, x, rows, residual, w.attention_output_bias));
  }

  void feed_forward(std::int32_t layer, std::int32_t rows, float* residual) override {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    const kernels::Bf16* x = round(residual, rows, a_.hidden, w.feed_forward_norm);
    auto* gated = reinterpret_cast<kernels::Bf16*>(gated_.data());
    kernels::Bf16Linear gate = linear(w.gate, x, rows, nullptr, nullptr);
    gate.up_type = w.up.type;
    gate.up = w.up.data;
    gate.packed_y = gated;
    device_.run(std::span<const kernels::Bf16Linear>(&gate, 1));
    add(linear(w.down, gated, rows, residual, nullptr));
  }

  void head(const float* residual, std::int32_t rows, float* logits) override {
    const kernels::Bf16* x = round(residual, rows, a_.hidden, weights_.output_norm);
    const kernels::Bf16Linear op = linear(weights_.head, x, rows, logits, nullptr);
    device_.run(std::span<const kernels::Bf16Linear>(&op, 1));
  }

  std::string weights_id() const override { return id_; }

  std::string_view mode() const override { return "exact"; }

 private:
  kernels::DeviceBuffer rows(std::int32_t count, std::int32_t width) {
    return device_.allocate(static_cast<std::size_t>(count) *
                            static_cast<std::size_t>(kernels::bf16_padded_k(width)) *
                            sizeof(kernels::Bf16));
  }

  // Into rounded_: rows of x, normed where `norm` is given.
  const kernels::Bf16* round(const float* x,
                             std::int32_t rows,
                             std::int32_t width,
                             const float* norm) {
    auto* out = reinterpret_cast<kernels::Bf16*>(rounded_.data());
    device_.run(kernels::PackBf16{.x = x,
                                  .norm_weight = norm,
                                  .out = out,
                                  .rows = rows,
                                  .k = width,
                                  .epsilon = a_.norm_epsilon});
    return out;
  }

  static kernels::Bf16Linear linear(const Matrix& matrix,
                                    const kernels::Bf16* x,
                                    std::int32_t rows,
                                    float* y,
                                    const float* bias) {
    return {.type = matrix.type,
            .weights = matrix.data,
            .x = x,
            .bias = bias,
            .y = y,
            .rows = rows,
            .k = matrix.columns,
            .n = matrix.rows};
  }

  void add(kernels::Bf16Linear op) {
    op.accumulate = true;
    device_.run(std::span<const kernels::Bf16Linear>(&op, 1));
  }

  const Architecture& a_;
  const Weights& weights_;
  kernels::Device& device_;
  std::string id_;
  kernels::DeviceBuffer rounded_;  // Bf16 [rows, padded width] of the input at hand
  kernels::DeviceBuffer gated_;    // Bf16 [rows, padded feed_forward]
};

}  // namespace

std::unique_ptr<LinearLayers> make_bf16_layers(const LayersSource& source,
                                               const WeightsOptions& options) {
  return std::make_unique<Bf16Layers>(source, options);
}

}  // namespace troupe::model

// Linear layers on weights as the file has them: expanded to FP32, or packed on the file's own grid
// of 4, 5 or 8 bits.
#include <array>
#include <initializer_list>
#include <span>
#include <utility>

#include "model/calibration.hpp"
#include "model/checksum.hpp"
#include "model/grouped_file.hpp"
#include "model/linear_layers.hpp"
#include "model/model_file.hpp"

namespace troupe::model {
namespace {

// One layer of several that read the same input.
struct Projection {
  const Matrix& matrix;
  float* y;  // [rows, matrix.rows]
  const float* bias = nullptr;
  bool accumulate = false;
};

constexpr std::size_t kProjectionsMax = 3;  // query, key, value

class PlainLayers final : public LinearLayers {
 public:
  PlainLayers(const LayersSource& source, const WeightsOptions& options, InputObserver observer)
      : a_(source.architecture),
        weights_(source.weights),
        device_(source.device),
        grouped_(open_grouped_weights(source.file, source.weights, source.device, options)),
        id_(grouped_ ? grouped_->id()
                     : hexadecimal(weights_fingerprint(source.file, options.on_part))),
        observer_(std::move(observer)),
        normed_(floats(source.rows_max, a_.hidden)),
        gate_(floats(source.rows_max, a_.feed_forward)),
        up_(floats(source.rows_max, a_.feed_forward)) {}

  void attention_inputs(std::int32_t layer,
                        const float* residual,
                        std::int32_t rows,
                        const AttentionInputs& to) override {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    project(
        input_site(layer, Input::kAttention),
        normed(residual, w.attention_norm, rows),
        rows,
        {{w.query, to.q, w.query_bias}, {w.key, to.k, w.key_bias}, {w.value, to.v, w.value_bias}});
  }

  void attention_output(std::int32_t layer,
                        const float* attended,
                        std::int32_t rows,
                        float* residual) override {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    project(input_site(layer, Input::kAttentionOutput),
            attended,
            rows,
            {{w.attention_output, residual, w.attention_output_bias, true}});
  }

  void feed_forward(std::int32_t layer, std::int32_t rows, float* residual) override {
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    auto* gate = reinterpret_cast<float*>(gate_.data());
    auto* up = reinterpret_cast<float*>(up_.data());
    project(input_site(layer, Input::kFeedForward),
            normed(residual, w.feed_forward_norm, rows),
            rows,
            {{w.gate, gate}, {w.up, up}});
    device_.run(kernels::SiluMul{
        .gate = gate, .up = up, .out = gate, .values = std::int64_t{rows} * a_.feed_forward});
    project(input_site(layer, Input::kDown), gate, rows, {{w.down, residual, nullptr, true}});
  }

  void head(const float* residual, std::int32_t rows, float* logits) override {
    const std::int32_t site = input_site(a_.layers, Input{});
    const float* x = normed(residual, weights_.output_norm, rows);
    if (logits == nullptr) return observer_(site, x, rows, a_.hidden);
    project(site, x, rows, {{weights_.head, logits}});
  }

  std::string weights_id() const override { return id_; }

  std::string_view mode() const override { return grouped_ ? "q4" : "fp32"; }

 private:
  kernels::DeviceBuffer floats(std::int32_t rows, std::int32_t width) {
    return device_.allocate(static_cast<std::size_t>(rows) * static_cast<std::size_t>(width) *
                            sizeof(float));
  }

  const float* normed(const float* x, const float* weight, std::int32_t rows) {
    auto* y = reinterpret_cast<float*>(normed_.data());
    device_.run(kernels::RmsNorm{.x = x,
                                 .weight = weight,
                                 .y = y,
                                 .rows = rows,
                                 .k = a_.hidden,
                                 .epsilon = a_.norm_epsilon});
    return y;
  }

  void project(std::int32_t site,
               const float* x,
               std::int32_t rows,
               std::initializer_list<Projection> projections) {
    const std::int32_t width = projections.begin()->matrix.columns;
    if (observer_) observer_(site, x, rows, width);
    if (grouped_) return project_grouped(x, rows, projections);
    std::array<kernels::Linear, kProjectionsMax> ops;
    std::size_t count = 0;
    for (const Projection& p : projections) {
      ops[count++] = {.type = p.matrix.type,
                      .weights = p.matrix.data,
                      .x = x,
                      .bias = p.bias,
                      .y = p.y,
                      .rows = rows,
                      .k = width,
                      .n = p.matrix.rows,
                      .accumulate = p.accumulate};
    }
    device_.run(std::span(ops).first(count));
  }

  void project_grouped(const float* x,
                       std::int32_t rows,
                       std::initializer_list<Projection> projections) {
    std::array<kernels::GroupedLinear, kProjectionsMax> ops;
    std::size_t count = 0;
    for (const Projection& p : projections) {
      ops[count++] = {.weights = p.matrix.grouped,
                      .x = x,
                      .bias = p.bias,
                      .y = p.y,
                      .rows = rows,
                      .accumulate = p.accumulate};
    }
    device_.run(std::span<const kernels::GroupedLinear>(ops).first(count));
  }

  const Architecture& a_;
  const Weights& weights_;
  kernels::Device& device_;
  std::shared_ptr<const PackedStorage> grouped_;  // of Precision::kQ4
  std::string id_;
  InputObserver observer_;
  kernels::DeviceBuffer normed_;  // float [rows, hidden]
  kernels::DeviceBuffer gate_;    // float [rows, feed_forward]
  kernels::DeviceBuffer up_;      // float [rows, feed_forward]
};

}  // namespace

std::unique_ptr<LinearLayers> make_plain_layers(const LayersSource& source,
                                                const WeightsOptions& options,
                                                InputObserver observer) {
  return std::make_unique<PlainLayers>(source, options, std::move(observer));
}

}  // namespace troupe::model

// The linear layers of a model in one precision, with what stands right before and behind them
// (norms, the gate): all that the forward pass has to do beside attention.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kernels/device.hpp"
#include "model/architecture.hpp"
#include "model/precision.hpp"
#include "model/weights.hpp"

namespace troupe::model {

class ModelFile;

// Called with the input of every group of linear layers: its site (calibration.hpp), and x, on the
// device: [rows, k].
using InputObserver =
    std::function<void(std::int32_t site, const float* x, std::int32_t rows, std::int32_t k)>;

// What the layer's attention starts from.
struct AttentionInputs {
  float* q = nullptr;  // [rows, heads, head_dim]
  float* k = nullptr;  // [rows, kv_heads, head_dim]
  float* v = nullptr;  // [rows, kv_heads, head_dim]
};

// Rows of one call are at most those that the object was made for; all memory is the device's. A
// row's bits depend on that row alone.
class LinearLayers {
 public:
  virtual ~LinearLayers() = default;

  // Norm, then query, key and value of `residual` ([rows, hidden]).
  virtual void attention_inputs(std::int32_t layer,
                                const float* residual,
                                std::int32_t rows,
                                const AttentionInputs& to) = 0;

  // residual += output projection of `attended` ([rows, heads · head_dim]).
  virtual void attention_output(std::int32_t layer,
                                const float* attended,
                                std::int32_t rows,
                                float* residual) = 0;

  // residual += down(silu(gate) · up) of the normed residual.
  virtual void feed_forward(std::int32_t layer, std::int32_t rows, float* residual) = 0;

  // Norm, then the logits of `residual`: [rows, vocab]. Without `logits` an observer sees the
  // input.
  virtual void head(const float* residual, std::int32_t rows, float* logits) = 0;

  // Hash of the weights in use, and the mode: a part of numerics_id.
  virtual std::string weights_id() const = 0;
  virtual std::string_view mode() const = 0;
};

// What the makers need. `file`, `weights` and `device` must outlive the layers.
struct LayersSource {
  const ModelFile& file;
  const Architecture& architecture;
  Weights& weights;
  kernels::Device& device;
  std::int32_t rows_max;
};

// Weights as the file has them, in FP32 or (Precision::kQ4) packed on their own grid. The observer
// may be empty.
std::unique_ptr<LinearLayers> make_plain_layers(const LayersSource& source,
                                                const WeightsOptions& options,
                                                InputObserver observer);

// Weights as the file has them, rounded to BF16 as they are used, and activations in BF16. For
// devices that prefer it.
std::unique_ptr<LinearLayers> make_bf16_layers(const LayersSource& source,
                                               const WeightsOptions& options);

// Packed int8 weights; see packed_weights.hpp for where they come from.
std::unique_ptr<LinearLayers> make_packed_layers(const LayersSource& source,
                                                 const WeightsOptions& options);

}  // namespace troupe::model

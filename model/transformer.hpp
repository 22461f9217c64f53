// The forward pass of `llama`, `qwen2` and `qwen3`: a batch of sequences in different phases, one
// call.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "kernels/device.hpp"
#include "model/architecture.hpp"
#include "model/linear_layers.hpp"
#include "model/precision.hpp"

namespace troupe::model {

class ModelFile;
class KvCache;

// One sequence's share of a step: a chunk of its prompt (prefill) or its newest token (decode).
struct SequenceSlice {
  std::span<const std::int32_t> tokens;  // [new tokens], at least one
  std::int32_t position = 0;  // of tokens[0]; everything before it is in the cache already
  std::span<const std::int32_t> blocks;  // KV blocks in order; they cover position + tokens.size()
  std::int32_t logit_rows = 0;           // wanted, of the last tokens: 0 … tokens.size()
};

class Transformer {
 public:
  // Reads shapes and maps weights; keeps views into `file`, which must outlive it. With
  // Precision::kDefault and kQ4 it maps packed weights too, or makes them, which takes seconds to
  // minutes. The observer sees the inputs of linear layers in FP32, for calibration; other
  // precisions have none. Throws config::UserError for an architecture or tensor it cannot use.
  Transformer(const ModelFile& file,
              kernels::Device& device,
              std::int32_t tokens_per_step_max,
              const WeightsOptions& options = {},
              InputObserver observer = {});
  ~Transformer();

  const Architecture& architecture() const;

  // Writes keys and values of every slice into `cache` and the wanted logits, slice after slice,
  // into `logits` ([Σ logit_rows, vocab]). A sequence's logits have the same bits in any company
  // and with any chunking. Σ tokens ≤ tokens_per_step_max.
  void forward(std::span<const SequenceSlice> slices, KvCache& cache, std::span<float> logits);

  // Names what decides the bits of an answer: hash of the weights, backend, kernel revision,
  // precision.
  const std::string& numerics_id() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe::model

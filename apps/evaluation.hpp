// One sequence run through a model in this process, for the commands that want its logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "apps/loaded_model.hpp"
#include "apps/progress.hpp"
#include "model/kv_cache.hpp"
#include "model/transformer.hpp"

namespace troupe::apps {

class Evaluation {
 public:
  // Positions of one forward pass. Their logits are chunk × vocab floats: 39 MB for a vocabulary of
  // 152k, whatever the length of the text.
  static constexpr std::size_t kChunkTokens = 64;

  // For sequences of up to `tokens_max`. What the weights take long for is told to `progress`.
  // Throws config::UserError.
  Evaluation(const LoadedModel& model,
             const config::NodeConfig& config,
             std::size_t tokens_max,
             Progress& progress);

  // Logits after each of the last `rows` of `chunk` (at most kChunkTokens), whose first token
  // stands at `position`: [rows, vocab]; a view until the next call. At position 0 a new sequence
  // begins.
  std::span<const float> run(std::span<const std::int32_t> chunk,
                             std::size_t position,
                             std::size_t rows);

 private:
  std::unique_ptr<kernels::Device> device_;
  model::Transformer transformer_;
  model::KvCache cache_;
  std::vector<std::int32_t> blocks_;  // 0 … blocks - 1: the only sequence owns them all
  std::size_t vocab_;
  std::vector<float> logits_;  // [chunk, vocab]
};

}  // namespace troupe::apps

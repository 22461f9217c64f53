#include "apps/evaluation.hpp"

#include <algorithm>
#include <numeric>
#include <string>

namespace troupe::apps {

Evaluation::Evaluation(const LoadedModel& model,
                       const config::NodeConfig& config,
                       std::size_t tokens_max,
                       Progress& progress)
    : device_(make_device(config)),
      transformer_(*model.file,
                   *device_,
                   static_cast<std::int32_t>(kChunkTokens),
                   weights_options(config, &progress)),
      cache_(*device_,
             model.architecture,
             model::blocks_for(static_cast<std::int32_t>(tokens_max)),
             kv_type(config)),
      blocks_(static_cast<std::size_t>(cache_.blocks())),
      vocab_(static_cast<std::size_t>(model.architecture.vocab)),
      logits_(std::min(kChunkTokens, tokens_max) * vocab_) {
  std::iota(blocks_.begin(), blocks_.end(), 0);
}

std::span<const float> Evaluation::run(std::span<const std::int32_t> chunk,
                                       std::size_t position,
                                       std::size_t rows) {
  const auto needed = model::blocks_for(static_cast<std::int32_t>(position + chunk.size()));
  const model::SequenceSlice slice{
      .tokens = chunk,
      .position = static_cast<std::int32_t>(position),
      .blocks = std::span(blocks_).first(static_cast<std::size_t>(needed)),
      .logit_rows = static_cast<std::int32_t>(rows)};
  const std::span<float> logits = std::span(logits_).first(rows * vocab_);
  transformer_.forward({&slice, 1}, cache_, logits);
  return logits;
}

}  // namespace troupe::apps

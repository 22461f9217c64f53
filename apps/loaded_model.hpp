// A model file opened for use: what front, worker and the commands all need of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "apps/memory_plan.hpp"
#include "apps/progress.hpp"
#include "config/node_config.hpp"
#include "kernels/device.hpp"
#include "model/architecture.hpp"
#include "model/chat_template.hpp"
#include "model/model_file.hpp"
#include "model/precision.hpp"
#include "model/tokenizer.hpp"

namespace troupe::apps {

struct LoadedModel {
  std::shared_ptr<const model::ModelFile> file;
  model::Architecture architecture;
  std::shared_ptr<const model::Tokenizer> tokenizer;
  std::shared_ptr<const model::ChatTemplate> chat_template;  // null: the file has none
  std::string alias;                                         // the name that clients use
  std::uint32_t context_max = 0;                             // tokens of prompt + answer
  std::string vocabulary_hash;  // of the tokens in order, 16 hex digits
};

// Throws config::UserError for a file that cannot be used, or a context larger than the model was
// trained for.
LoadedModel load_model(const config::ModelConfig& config);

// The device that the configuration asks for. Throws config::UserError.
std::unique_ptr<kernels::Device> make_device(const config::NodeConfig& config);

// Of the cache that the configuration asks for.
kernels::KvType kv_type(const config::NodeConfig& config);

// The arithmetic that the configuration asks for, with packed weights beside the model file. What
// takes long and what a person should know is told to `progress`, if any.
model::WeightsOptions weights_options(const config::NodeConfig& config, Progress* progress);

// What `sequences` at once need of this machine, and what the configuration and the limits of
// memory leave for them (memory_plan.hpp).
MemoryNeeds memory_needs(const model::ModelFile& file,
                         const model::Architecture& architecture,
                         std::uint32_t context_max,
                         const config::NodeConfig& config,
                         std::uint32_t sequences);

// The plan for a loaded model. Throws config::UserError with the numbers when it does not fit.
MemoryPlan plan_memory(const LoadedModel& model,
                       const config::NodeConfig& config,
                       std::uint32_t sequences);

}  // namespace troupe::apps

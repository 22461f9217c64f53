#include "apps/loaded_model.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "apps/machine.hpp"
#include "config/user_error.hpp"
#include "model/kv_cache.hpp"

namespace troupe::apps {
namespace {

using config::UserError;

// Of the memory that this process may use; the rest is for weights, the front, and others.
constexpr std::uint64_t kKvMemoryShare = 4;

// FNV-1a with 64 bits (isthe.com/chongo/tech/comp/fnv): not against forgery, only against mixing up
// two models.
std::string hash_vocabulary(const model::Tokenizer& tokenizer) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  const auto mix = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3U; };
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    for (const char byte : tokenizer.piece(id)) mix(static_cast<unsigned char>(byte));
    mix(0);
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::uint32_t context_of(const model::Architecture& architecture,
                         std::uint32_t wanted,
                         const std::string& file) {
  const auto trained = static_cast<std::uint32_t>(architecture.context_max);
  if (wanted > trained) {
    throw UserError(file + ": the model was trained for a context of " + std::to_string(trained) +
                    " tokens, not " + std::to_string(wanted) + ": lower --context (model.context)");
  }
  return wanted == 0 ? trained : wanted;
}

}  // namespace

LoadedModel load_model(const config::ModelConfig& config) {
  LoadedModel loaded;
  loaded.file = std::make_shared<const model::GgufFile>(model::GgufFile::open(config.file));
  const model::GgufFile& file = *loaded.file;
  loaded.architecture = model::read_architecture(file);
  loaded.tokenizer = std::make_shared<const model::Tokenizer>(file);
  if (file.find_string("tokenizer.chat_template")) {
    loaded.chat_template = std::make_shared<const model::ChatTemplate>(file);
  }
  loaded.alias = config.alias.empty() ? config.file.stem().string() : config.alias;
  loaded.context_max = context_of(loaded.architecture, config.context, file.name());
  loaded.vocabulary_hash = hash_vocabulary(*loaded.tokenizer);
  return loaded;
}

std::unique_ptr<kernels::Device> make_device(const config::NodeConfig& config) {
  return kernels::make_cpu_device(static_cast<int>(config.node.threads),
                                  kernels::parse_cpu_backend(config.model.cpu_backend));
}

kernels::KvType kv_type(const config::NodeConfig& config) {
  return model::parse_kv_type(config.model.kv, model::parse_precision(config.model.precision));
}

model::WeightsOptions weights_options(const config::NodeConfig& config,
                                      std::function<void(const std::string&)> progress) {
  const model::Precision precision = model::parse_precision(config.model.precision);
  return {.precision = precision,
          .kv = kv_type(config),
          .packed_file = model::packed_file_of(config.model.file, precision),
          .progress = std::move(progress)};
}

std::int32_t plan_kv_blocks(const LoadedModel& model,
                            const config::NodeConfig& config,
                            std::uint32_t sequences) {
  const std::int32_t per_context = model::blocks_for(static_cast<std::int32_t>(model.context_max));
  if (config.batch.kv_blocks != 0) {
    const auto blocks = static_cast<std::int32_t>(config.batch.kv_blocks);
    if (blocks >= per_context) return blocks;
    throw UserError("batch.kv_blocks = " + std::to_string(blocks) + " holds no whole context of " +
                    std::to_string(model.context_max) + " tokens: set at least " +
                    std::to_string(per_context) + ", or lower --context");
  }
  const std::uint64_t block_bytes =
      model::KvCache::block_bytes(model.architecture, kv_type(config));
  const std::uint64_t budget = memory_limit_bytes() / kKvMemoryShare;
  const auto affordable = static_cast<std::int32_t>(budget / block_bytes);
  if (affordable < per_context) {
    throw UserError(std::to_string(model.context_max) + " tokens of context need " +
                    std::to_string(static_cast<std::uint64_t>(per_context) * block_bytes >> 20) +
                    " MiB of KV cache and a quarter of this machine's memory is " +
                    std::to_string(budget >> 20) + " MiB: lower --context");
  }
  return std::min(affordable, per_context * static_cast<std::int32_t>(sequences));
}

}  // namespace troupe::apps

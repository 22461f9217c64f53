#include "apps/loaded_model.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "apps/machine.hpp"
#include "apps/model_facts.hpp"
#include "apps/text_file.hpp"
#include "config/user_error.hpp"
#include "model/grouped_packer.hpp"
#include "model/hf_folder.hpp"
#include "model/kv_cache.hpp"
#include "model/packed_layout.hpp"

namespace troupe::apps {
namespace {

using config::UserError;

// A process without model: measured at 10 to 20 MiB of heap and stacks.
constexpr std::uint64_t kProcessBytes = std::uint64_t{24} << 20;
// A token in the tokenizer's tables: its text twice, a hash entry, its merge.
constexpr std::uint64_t kVocabularyEntryBytes = 256;

// What q4 packs of a tensor: matrices, of which the embedding is one where it is the head too.
std::uint64_t grouped_tensor_bytes(const model::TensorInfo& tensor) {
  // Of a tensor that nothing reads the type may be unknown, and its sizes anything.
  if (tensor.shape.size() != 2 || tensor.data.empty()) return 0;
  return kernels::grouped_bytes(model::grouped_bits(tensor.type),
                                static_cast<std::int32_t>(tensor.shape[1]),
                                static_cast<std::int32_t>(tensor.shape[0]));
}

// What is read of the weights in a step. Packed ones are a file beside the model's, which then
// gives the embedding's rows alone. Sizes follow from the shapes: a file that lies there may be
// stale or damaged, and is then made again.
std::uint64_t weights_bytes(const model::ModelFile& file,
                            const model::Architecture& architecture,
                            const config::NodeConfig& config) {
  std::uint64_t all = 0;
  std::uint64_t grouped = 0;
  std::uint64_t embedding = 0;
  const bool has_head = file.find_tensor("output.weight") != nullptr;
  for (const model::TensorInfo& tensor : file.tensors()) {
    const bool is_embedding = tensor.name == "token_embd.weight";
    all += tensor.data.size();
    if (is_embedding) embedding = tensor.data.size();
    if (!is_embedding || !has_head) grouped += grouped_tensor_bytes(tensor);
  }
  switch (model::parse_precision(config.model.precision)) {
    case model::Precision::kDefault:
      return embedding + model::packed_layout(architecture).bytes;
    case model::Precision::kQ4:
      return embedding + grouped;
    case model::Precision::kExact:
    case model::Precision::kFp32:
      break;
  }
  return all;
}

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

// The file that was named, or the model's own; null when there is neither.
std::shared_ptr<const model::ChatTemplate> load_chat_template(const model::ModelFile& file,
                                                              const std::filesystem::path& path) {
  if (path.empty()) {
    if (!file.find_string("tokenizer.chat_template")) return nullptr;
    return std::make_shared<const model::ChatTemplate>(file);
  }
  const std::string source = read_text_file(path, model::ChatTemplate::kSourceBytesMax);
  if (source.empty()) {
    throw UserError(path.string() +
                    ": the chat template is empty: see --chat-template (model.chat_template)");
  }
  return std::make_shared<const model::ChatTemplate>(file, source, path.string());
}

// The same for every part of a model in several files, whichever was given.
std::string name_of(const model::ModelFile& file) {
  const std::filesystem::path path = file.name();
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return model::folder_name(path);
  const std::string stem = path.stem().string();
  constexpr std::size_t kPartBytes = std::string_view("-00001-of-00003").size();
  const bool in_parts = file.parts().size() > 1 && stem.size() > kPartBytes;
  return in_parts ? stem.substr(0, stem.size() - kPartBytes) : stem;
}

}  // namespace

LoadedModel load_model(const config::ModelConfig& config) {
  LoadedModel loaded;
  loaded.file = std::make_shared<const model::ModelFile>(model::ModelFile::open(config.file));
  const model::ModelFile& file = *loaded.file;
  loaded.architecture = model::read_architecture(file);
  loaded.tokenizer = std::make_shared<const model::Tokenizer>(file);
  loaded.chat_template = load_chat_template(file, config.chat_template);
  loaded.alias = config.alias.empty() ? name_of(file) : config.alias;
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

model::WeightsOptions weights_options(const config::NodeConfig& config, Progress* progress) {
  const model::Precision precision = model::parse_precision(config.model.precision);
  model::WeightsOptions options{.precision = precision,
                                .kv = kv_type(config),
                                .packed_file = model::packed_file_of(config.model.file, precision)};
  if (progress != nullptr) {
    options.progress = [progress](const std::string& text) { progress->update(text); };
    options.notice = [progress](const std::string& text) { progress->note(text); };
  }
  return options;
}

MemoryNeeds memory_needs(const model::ModelFile& file,
                         const model::Architecture& architecture,
                         std::uint32_t context_max,
                         const config::NodeConfig& config,
                         std::uint32_t sequences) {
  const MemoryLimit limit = memory_limit();
  const auto vocab = static_cast<std::uint64_t>(architecture.vocab);
  const std::uint64_t processes = 2 + config.node.workers + config.node.spare;  // root and front
  return {.model = file.name(),
          .limit = limit.bytes,
          .limit_source = limit.source,
          .limit_is_ours = limit.cgroup,
          .weights = weights_bytes(file, architecture, config),
          .processes = processes * (kProcessBytes + vocab * kVocabularyEntryBytes),
          .scratch = scratch_bytes(
              architecture, std::max(config.batch.step_tokens_max, sequences), config.node.threads),
          .sequence_bytes = vocab * sizeof(float),
          .block_bytes = model::KvCache::block_bytes(architecture, kv_type(config)),
          .block_tokens = model::kBlockTokens,
          .context = context_max,
          .sequences_max = sequences,
          .kv_blocks = config.batch.kv_blocks,
          .workers = config.node.workers + config.node.spare};
}

MemoryPlan plan_memory(const LoadedModel& model,
                       const config::NodeConfig& config,
                       std::uint32_t sequences) {
  return plan_memory(
      memory_needs(*model.file, model.architecture, model.context_max, config, sequences));
}

}  // namespace troupe::apps

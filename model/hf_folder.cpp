#include "model/hf_folder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config/user_error.hpp"
#include "model/gguf_cursor.hpp"
#include "model/hf_config.hpp"
#include "model/hf_names.hpp"
#include "model/hf_shards.hpp"
#include "model/hf_tokenizer.hpp"
#include "model/json_tree.hpp"

namespace troupe::model {
namespace {

using kernels::TensorType;

constexpr std::size_t kConfigBytesMax = std::size_t{1} << 20;       // real ones have a few KB
constexpr std::size_t kTokenizerBytesMax = std::size_t{128} << 20;  // the largest have 35 MB
// tokenizer_config.json describes every added token, and holds the template.
constexpr std::size_t kTokenizerConfigBytesMax = std::size_t{16} << 20;

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw config::UserError(file + ": " + problem);
}

// A file of the folder; null when it is not there.
std::shared_ptr<const MappedFile> map_file(const OpenPath& folder,
                                           const std::string& name,
                                           std::size_t bytes_max) {
  const auto file = folder.file(name);
  if (!file) return nullptr;
  auto mapping = file->map();
  if (mapping->bytes().size() > bytes_max)
    fail(file->name(),
         "has more than " + std::to_string(bytes_max >> 20) + " MiB: fetch the model again");
  return mapping;
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

std::string path_in(const OpenPath& folder, const std::string& name) {
  return (std::filesystem::path(folder.name()) / name).string();
}

std::optional<JsonTree> read_tree(const OpenPath& folder,
                                  const std::string& name,
                                  std::size_t bytes_max) {
  const auto file = map_file(folder, name, bytes_max);
  if (file == nullptr) return std::nullopt;
  return read_json(text_of(*file), path_in(folder, name));
}

JsonTree require_tree(const OpenPath& folder, const std::string& name, std::size_t bytes_max) {
  std::optional<JsonTree> tree = read_tree(folder, name, bytes_max);
  if (!tree)
    fail(folder.name(),
         "is a folder without " + name +
             ": give a .gguf file, or a folder with config.json, tokenizer.json and safetensors");
  return std::move(*tree);
}

struct StoredType {
  std::string_view dtype;
  TensorType type;
};

constexpr StoredType kStoredTypes[] = {
    {"BF16", TensorType::kBF16}, {"F16", TensorType::kF16}, {"F32", TensorType::kF32}};

// Data may begin at any byte, as files written before safetensors 0.3 have it: kernels load so.
TensorInfo tensor_of(const SafeTensor& from, std::string name, const std::string& folder) {
  const auto* stored = std::find_if(std::begin(kStoredTypes),
                                    std::end(kStoredTypes),
                                    [&](const StoredType& s) { return s.dtype == from.dtype; });
  const std::string field = "tensor " + in_quotes(from.name);
  if (stored == std::end(kStoredTypes))
    fail(folder,
         field + " has dtype " + from.dtype +
             ", which is not supported: give the model in BF16, F16 or F32");
  return {std::move(name),
          stored->type,
          std::vector<std::uint64_t>(from.shape.rbegin(), from.shape.rend()),
          from.data};
}

// What is computed from others, or not a weight of this model, is left out.
std::vector<TensorInfo> name_tensors(const HfShards& shards,
                                     const HfConfig& config,
                                     const std::string& folder) {
  std::vector<TensorInfo> tensors;
  for (const SafeTensor& tensor : shards.tensors) {
    auto name = gguf_tensor_name(tensor.name, config.layers);
    if (!name)
      fail(folder,
           "tensor " + in_quotes(tensor.name) + " is none of a model of architecture " +
               config.family + " with " + std::to_string(config.layers) +
               " layers: fetch the model again");
    if (name->empty() || (config.tied && *name == "output.weight")) continue;
    // transformers leaves such a bias out, so that the model would compute something else.
    const bool is_of_output = name->ends_with("attn_output.bias");
    if (name->ends_with(".bias") && !(is_of_output ? config.output_bias : config.attention_bias))
      fail(folder,
           "tensor " + in_quotes(tensor.name) +
               " is a bias that config.json does not announce: fetch the model again");
    tensors.push_back(tensor_of(tensor, std::move(*name), folder));
  }
  return tensors;
}

// What a GGUF file may leave out and a folder may not: there config.json says that it is there.
void check_whole(const HfConfig& config,
                 const std::vector<TensorInfo>& tensors,
                 const std::string& folder) {
  const auto expect = [&](const std::string& name, const char* why) {
    const auto found = std::lower_bound(
        tensors.begin(), tensors.end(), name, [](const TensorInfo& tensor, const std::string& n) {
          return tensor.name < n;
        });
    if (found == tensors.end() || found->name != name)
      fail(folder, "lacks the tensor that GGUF calls " + name + ", though " + why);
  };
  if (!config.tied)
    expect("output.weight", "config.json ties the head to no other: fetch the model again");
  for (std::uint64_t layer = 0; config.attention_bias && layer < config.layers; ++layer) {
    for (const char* of : {"q", "k", "v"})
      expect("blk." + std::to_string(layer) + ".attn_" + of + ".bias",
             "its attention has biases: fetch the model again");
    if (config.output_bias)
      expect("blk." + std::to_string(layer) + ".attn_output.bias",
             "config.json says attention_bias: fetch the model again");
  }
}

std::uint64_t embedding_rows(const std::vector<TensorInfo>& tensors, const std::string& folder) {
  for (const TensorInfo& tensor : tensors) {
    if (tensor.name == "token_embd.weight" && tensor.shape.size() == 2) return tensor.shape[1];
  }
  fail(folder, "lacks the matrix model.embed_tokens.weight: fetch the model again");
}

void add_rope_factors(const HfConfig& config, HfContents& to) {
  if (config.rope_factors.empty()) return;
  to.rope_factors = std::make_shared<const std::vector<float>>(config.rope_factors);
  to.tensors.push_back({"rope_freqs.weight",
                        TensorType::kF32,
                        {to.rope_factors->size()},
                        std::as_bytes(std::span(*to.rope_factors))});
}

// GGUF has one end token; all others that config.json or generation_config.json names end too.
void add_end_tokens(const OpenPath& folder, const JsonTree& config, Metadata& metadata) {
  std::vector<std::uint64_t> ends = read_hf_end_tokens(config, path_in(folder, "config.json"));
  constexpr const char* kGeneration = "generation_config.json";
  if (const auto tree = read_tree(folder, kGeneration, kConfigBytesMax)) {
    for (const std::uint64_t id : read_hf_end_tokens(*tree, path_in(folder, kGeneration)))
      ends.push_back(id);
  }
  if (ends.empty()) return;
  metadata.try_emplace("tokenizer.ggml.eos_token_id", ends.front());
  metadata["troupe.end_token_ids"] = std::move(ends);
}

Metadata read_tokenizer(const OpenPath& folder, std::uint64_t rows) {
  const JsonTree tokenizer = require_tree(folder, "tokenizer.json", kTokenizerBytesMax);
  const auto config = read_tree(folder, "tokenizer_config.json", kTokenizerConfigBytesMax);
  Metadata metadata = read_hf_tokenizer(
      tokenizer, config ? &*config : nullptr, rows, path_in(folder, "tokenizer.json"));
  // Where both are, transformers takes the file.
  if (const auto source = map_file(folder, "chat_template.jinja", kConfigBytesMax))
    metadata["tokenizer.chat_template"] = std::string(text_of(*source));
  return metadata;
}

}  // namespace

std::string folder_name(const std::filesystem::path& folder) {
  const std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

HfContents read_hf_folder(const OpenPath& folder) {
  const std::string& name = folder.name();
  const JsonTree config_tree = require_tree(folder, "config.json", kConfigBytesMax);
  HfConfig config = read_hf_config(config_tree, path_in(folder, "config.json"));
  HfShards shards = open_hf_shards(folder);
  HfContents contents;
  contents.tensors = name_tensors(shards, config, name);
  contents.shards = std::move(shards.files);
  add_rope_factors(config, contents);
  std::sort(contents.tensors.begin(),
            contents.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  check_whole(config, contents.tensors, name);

  contents.metadata = std::move(config.metadata);
  contents.metadata.merge(read_tokenizer(folder, embedding_rows(contents.tensors, name)));
  add_end_tokens(folder, config_tree, contents.metadata);
  contents.metadata["general.name"] = folder_name(name);
  return contents;
}

}  // namespace troupe::model

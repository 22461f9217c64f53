#include "model/architecture.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/architecture_keys.hpp"
#include "model/gguf_cursor.hpp"
#include "model/model_file.hpp"
#include "model/rope_scaling.hpp"
#include "model/utf8.hpp"

namespace troupe::model {
namespace {

// Upper bounds: several times the largest published model, and small enough that every product of
// two of them that the engine forms stays far below 2^63.
constexpr std::uint64_t kLayersMax = 1024;
constexpr std::uint64_t kHiddenMax = 1U << 16;
constexpr std::uint64_t kHeadsMax = 1024;
constexpr std::uint64_t kHeadDimMax = 512;  // attention kernels keep one head's query on the stack
constexpr std::uint64_t kFeedForwardMax = 1U << 18;
constexpr std::uint64_t kContextMax =
    1U << 24;  // positions up to here are exact in an FP32 rotary angle
constexpr std::uint64_t kVocabMax = 1U << 21;
constexpr double kNormEpsilonMax = 0.1;  // beyond it the norm would not be one

std::string read_family(const ModelFile& file) {
  std::string family(file.require_string("general.architecture"));
  if (family != "llama" && family != "qwen2" && family != "qwen3") {
    throw config::UserError(
        file.name() + ": architecture " + in_quotes(family) +
        " is not supported: give a model of architecture llama, qwen2 or qwen3");
  }
  return family;
}

// Heads and their width.
void read_attention(const ArchitectureKeys& keys, Architecture& architecture) {
  architecture.heads = keys.count("attention.head_count", kHeadsMax);
  architecture.kv_heads = keys.count_or("attention.head_count_kv", kHeadsMax, architecture.heads);
  if (architecture.heads % architecture.kv_heads != 0) {
    keys.fail("attention.head_count_kv",
              "is " + std::to_string(architecture.kv_heads) + ", which does not divide the " +
                  std::to_string(architecture.heads) + " heads: convert the model again");
  }
  architecture.head_dim = keys.count_or("attention.key_length", kHeadDimMax, 0);
  if (architecture.head_dim == 0) {
    if (architecture.hidden % architecture.heads != 0) {
      keys.fail("attention.head_count",
                "is " + std::to_string(architecture.heads) + ", which does not divide the width " +
                    std::to_string(architecture.hidden) + ": convert the model again");
    }
    architecture.head_dim = architecture.hidden / architecture.heads;
  }
  const std::int32_t head_dim = architecture.head_dim;
  if (head_dim % 2 != 0 || head_dim > static_cast<std::int32_t>(kHeadDimMax)) {
    keys.fail("attention.head_count",
              "makes heads of " + std::to_string(head_dim) +
                  " values: supported are even numbers up to " + std::to_string(kHeadDimMax));
  }
  for (const char* name : {"attention.value_length", "rope.dimension_count"}) {
    const std::int32_t value = keys.count_or(name, kHeadDimMax, head_dim);
    if (value != head_dim) {
      keys.fail(name,
                "is " + std::to_string(value) + " where heads have " + std::to_string(head_dim) +
                    " values: only models with the two equal are supported");
    }
  }
}

// The vocabulary's size is what the embedding has rows for; the tokenizer's list, where there is
// one, must agree.
std::int32_t read_vocab(const ModelFile& file, std::int32_t hidden) {
  const TensorInfo& embedding = file.tensor("token_embd.weight");
  if (embedding.shape.size() != 2 || embedding.shape[0] != static_cast<std::uint64_t>(hidden)) {
    throw config::UserError(file.name() + ": tensor 'token_embd.weight' does not have rows of " +
                            std::to_string(hidden) + " values: convert the model again");
  }
  const std::uint64_t rows = embedding.shape[1];
  if (rows > kVocabMax) {
    throw config::UserError(file.name() + ": tensor 'token_embd.weight' has " +
                            std::to_string(rows) + " rows, more than the " +
                            std::to_string(kVocabMax) +
                            " tokens supported: give a model with a smaller vocabulary");
  }
  const std::vector<std::string>* tokens = file.find_strings("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->size() != rows) {
    throw config::UserError(file.name() + ": tensor 'token_embd.weight' has " +
                            std::to_string(rows) + " rows for the " +
                            std::to_string(tokens->size()) +
                            " entries of 'tokenizer.ggml.tokens': convert the model again");
  }
  return static_cast<std::int32_t>(rows);
}

std::string read_display_name(const ModelFile& file) {
  const auto name = file.find_string("general.name");
  if (name && !name->empty()) return utf8::replace_invalid(*name);
  return std::filesystem::path(file.name()).stem().string();
}

}  // namespace

Architecture read_architecture(const ModelFile& file) {
  Architecture architecture;
  architecture.family = read_family(file);
  architecture.display_name = read_display_name(file);
  // llama files pair neighbours because their converter permutes the rows of Q and K; files of the
  // others pair halves, and so do llama models that no converter has changed (hf_config.cpp).
  architecture.rope_interleaved =
      architecture.family == "llama" && !file.find_bool("troupe.rope.halves").value_or(false);

  const ArchitectureKeys keys(file, architecture.family);
  architecture.layers = keys.count("block_count", kLayersMax);
  architecture.hidden = keys.count("embedding_length", kHiddenMax);
  architecture.feed_forward = keys.count("feed_forward_length", kFeedForwardMax);
  architecture.context_max = keys.count("context_length", kContextMax);
  architecture.norm_epsilon =
      keys.positive("attention.layer_norm_rms_epsilon", kNormEpsilonMax, std::nullopt);
  read_attention(keys, architecture);
  read_rope(file, keys, architecture);
  architecture.query_key_norms = architecture.family == "qwen3";
  keys.refuse_above("expert_count", 0, "give a dense model");
  const std::uint64_t window = file.find_uint(keys.key("attention.sliding_window")).value_or(0);
  if (window != 0 && window < static_cast<std::uint64_t>(architecture.context_max)) {
    keys.refuse_above("attention.sliding_window", 0, "give a model with full attention");
  }
  architecture.vocab = read_vocab(file, architecture.hidden);
  return architecture;
}

}  // namespace troupe::model

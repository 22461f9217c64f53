// What config.json of a Hugging Face folder says of a model, under the keys that GGUF has for it.
// Fields: huggingface.co/docs/transformers, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/gguf_values.hpp"
#include "model/json_tree.hpp"

namespace troupe::model {

struct HfConfig {
  std::string family;  // as general.architecture
  Metadata metadata;
  std::uint64_t layers = 0;
  bool tied = false;            // the head is the embedding
  bool attention_bias = false;  // queries, keys and values have biases
  bool output_bias = false;     // and what attention gives, too
  // [head_dim / 2] what the angle of each pair is divided by, of Llama 3; empty: all by 1.
  std::vector<float> rope_factors;
};

// `name` stands in error lines. Throws config::UserError naming the field and the remedy.
HfConfig read_hf_config(const JsonTree& config, const std::string& name);

// The ids at which generation ends: `eos_token_id` of config.json or generation_config.json, which
// is a number, a list or absent.
std::vector<std::uint64_t> read_hf_end_tokens(const JsonTree& config, const std::string& name);

}  // namespace troupe::model

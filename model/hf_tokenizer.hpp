// What tokenizer.json and tokenizer_config.json of a Hugging Face folder say, under the keys that
// GGUF has for it. Format: github.com/huggingface/tokenizers, huggingface.co/docs/transformers
#pragma once

#include <cstdint>
#include <string>

#include "model/gguf_values.hpp"
#include "model/json_tree.hpp"

namespace troupe::model {

// BPE over bytes (`gpt2`) or with byte fall-back (`llama`). The list of tokens is padded to `rows`,
// the embedding's, where that has more. `config` may be null. `name` stands in error lines. Throws
// config::UserError naming the field for what is wrong or would give other ids than it should.
Metadata read_hf_tokenizer(const JsonTree& tokenizer,
                           const JsonTree* config,
                           std::uint64_t rows,
                           const std::string& name);

}  // namespace troupe::model

// Recognises the pre-tokenizers of published models in what tokenizer.json says of them.
#pragma once

#include <optional>
#include <string>

#include "model/json_tree.hpp"

namespace troupe::model {

// As tokenizer.ggml.pre names it. `pre_tokenizer` is that field of a byte-level tokenizer; nothing
// for one that is not known.
std::optional<std::string> known_pretokenizer(const JsonTree& pre_tokenizer);

}  // namespace troupe::model

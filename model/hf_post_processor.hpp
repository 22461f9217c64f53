// What tokenizer.json of a Hugging Face folder puts around a text: nothing, or a token before it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/json_tree.hpp"

namespace troupe::model {

struct HfTemplate {
  std::optional<std::uint64_t> first;  // the id before the text
};

// The template of a single text; nothing when the file has none. `name` stands in error lines.
// Throws config::UserError when something else than one token before the text would be added.
std::optional<HfTemplate> read_hf_template(const JsonTree& tokenizer, const std::string& name);

}  // namespace troupe::model

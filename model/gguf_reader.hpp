// Reads the bytes of a GGUF file, v2 or v3, into metadata and a tensor directory, trusting none of
// them. Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "model/gguf_values.hpp"

namespace troupe::model {

struct GgufContents {
  Metadata metadata;
  std::vector<TensorInfo>
      tensors;  // sorted by name; their data are views into the bytes that were read
};

// `name` stands in error lines. Throws config::UserError for whatever is wrong; never reads outside
// `bytes`, and takes memory in proportion to them.
GgufContents read_gguf(std::span<const std::byte> bytes, const std::string& name);

}  // namespace troupe::model

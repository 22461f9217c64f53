// The metadata section of a GGUF file: typed values under unique keys.
// Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "model/gguf_cursor.hpp"
#include "model/model_file.hpp"

namespace troupe::model {

using Metadata = std::map<std::string, MetadataValue, std::less<>>;

// Reads `keys` key/value pairs, which the caller has found to fit into the file.
Metadata read_metadata(GgufCursor& cursor, std::uint64_t keys);

}  // namespace troupe::model

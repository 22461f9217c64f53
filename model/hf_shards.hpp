// The safetensors files of a Hugging Face folder: one, or those that an index names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/mapped_file.hpp"
#include "model/safetensors.hpp"

namespace troupe::model {

struct HfShards {
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<SafeTensor> tensors;  // of all files; no name occurs twice
};

// Throws config::UserError naming the file, also when it does not hold what the index says.
HfShards open_hf_shards(const OpenPath& folder);

}  // namespace troupe::model

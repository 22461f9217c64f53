// A model as Hugging Face keeps it, a folder of config.json, tokenizer.json, tokenizer_config.json
// and safetensors files, read into what the GGUF file of the same model holds.
// Format: huggingface.co/docs/transformers, `save_pretrained`
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/gguf_values.hpp"
#include "model/mapped_file.hpp"

namespace troupe::model {

struct HfContents {
  Metadata metadata;                // with the keys of GGUF
  std::vector<TensorInfo> tensors;  // with its names, sorted; their data lie in the shards
  std::vector<std::shared_ptr<const MappedFile>> shards;
  std::shared_ptr<const std::vector<float>> rope_factors;  // of rope_freqs.weight, or null
};

// What a folder's model is called: the folder's own name, however its path is spelled.
std::string folder_name(const std::filesystem::path& folder);

// Throws config::UserError naming the file, the field and the remedy.
HfContents read_hf_folder(const OpenPath& folder);

}  // namespace troupe::model

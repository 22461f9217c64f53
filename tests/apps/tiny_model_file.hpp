// A tiny random model as a command sees it: loaded, or as a file.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "apps/loaded_model.hpp"
#include "tests/model/tiny_model.hpp"

namespace troupe::tests {

// 256 byte tokens and an end token.
inline constexpr std::int32_t kTinyVocab = 257;

inline GgufBuilder tiny_model_builder(TinyModel tiny = {}) {
  tiny.vocab = static_cast<std::uint32_t>(kTinyVocab);
  GgufBuilder builder = tiny.builder();
  builder.byte_tokenizer({"<|im_end|>"});
  return builder;
}

// Keeps the bytes that the file looks into.
struct TinyLoadedModel {
  std::vector<std::byte> bytes = tiny_model_builder().build();
  apps::LoadedModel model;

  TinyLoadedModel() {
    model.file = std::make_shared<const model::ModelFile>(model::ModelFile::parse(bytes, "tiny"));
    model.architecture = model::read_architecture(*model.file);
    model.tokenizer = std::make_shared<const model::Tokenizer>(*model.file);
    model.alias = "tiny";
    model.context_max = 256;
  }
};

}  // namespace troupe::tests

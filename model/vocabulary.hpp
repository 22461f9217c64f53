// The tokens of a byte-level BPE vocabulary as a model file lists them: texts, kinds, merges and
// end tokens.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/bpe.hpp"
#include "model/special_tokens.hpp"

namespace troupe::model {

class GgufFile;

struct VocabularyTables {
  std::vector<std::string> pieces;  // [vocab] the bytes of each token; a special token's own text
  std::vector<bool> special;        // [vocab] control and user-defined tokens
  std::array<std::int32_t, 256> byte_ids{};  // the token of each byte; -1: the vocabulary has none
  MergeTable merges;
  SpecialTokenFinder special_tokens;
  std::vector<std::int32_t> end_of_generation;  // ascending
  std::int32_t bos = -1;                        // -1: none
  std::int32_t eos = -1;                        // -1: none
  bool adds_bos = false;
};

// Throws config::UserError naming the file and the key.
VocabularyTables read_vocabulary(const GgufFile& file);

}  // namespace troupe::model

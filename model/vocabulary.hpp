// The tokens of a vocabulary as a model file lists them: texts, kinds, merges or scores, and end
// tokens.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/bpe.hpp"
#include "model/special_tokens.hpp"

namespace troupe::model {

class ModelFile;

enum class VocabularyKind : std::uint8_t {
  kByteLevel,      // "gpt2" in GGUF: byte-level BPE with a list of merges
  kSentencepiece,  // "llama": BPE by scores, with tokens for single bytes
  kUnigram,        // "t5": SentencePiece, too, but the best sum of scores
};

struct VocabularyTables {
  VocabularyKind kind = VocabularyKind::kByteLevel;
  std::vector<std::string> pieces;  // [vocab] the bytes of each token; a special token's own text
  std::vector<bool> special;        // [vocab] control and user-defined tokens
  std::array<std::int32_t, 256> byte_ids{};  // the token of each byte; -1: the vocabulary has none
  MergeTable merges;                         // byte level only
  std::vector<bool> ordinary;                // [vocab] SentencePiece only: text joins to these
  std::vector<double> scores;                // [vocab] SentencePiece only: the highest first
  SpecialTokenFinder special_tokens;
  std::vector<std::int32_t> end_of_generation;  // ascending
  std::int32_t bos = -1;                        // -1: none
  std::int32_t eos = -1;                        // -1: none
  std::int32_t unknown = -1;                    // -1: none
  bool adds_bos = false;
  bool adds_space_prefix = false;  // SentencePiece only: text is encoded as if after a space
};

// Throws config::UserError naming the file and the key.
VocabularyTables read_vocabulary(const ModelFile& file);

}  // namespace troupe::model

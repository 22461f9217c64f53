// The tokens of a vocabulary as a model file lists them: texts, kinds, merges or scores, and end
// tokens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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

// Where text is encoded as if after a space.
enum class SpacePrefix : std::uint8_t {
  kNone,
  kAlways,        // at the start and after special tokens
  kWhereMissing,  // the same, except before a space
  kAtStart,       // at the start only, except before a space
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
  SpacePrefix space_prefix = SpacePrefix::kNone;  // SentencePiece only
  std::optional<bool> ignores_merges;  // whether a piece that is a token stays whole; not said:
                                       // as its pre-tokenizer has it
};

// Throws config::UserError naming the file and the key.
VocabularyTables read_vocabulary(const ModelFile& file);

}  // namespace troupe::model

// SentencePiece's BPE, as Llama 2 and Mistral have it: neighbouring pieces are joined, the best
// score first; or its unigram model (unigram.hpp). What is in no piece is written as bytes. Source:
// github.com/google/sentencepiece/blob/master/src/bpe_model.cc
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/text_encoder.hpp"
#include "model/text_index.hpp"
#include "model/unigram.hpp"
#include "model/vocabulary.hpp"

namespace troupe::model {

class SentencepieceEncoder final : public TextEncoder {
 public:
  // `tables` must outlive it.
  explicit SentencepieceEncoder(const VocabularyTables& tables);

  // Puts a space before the text where the vocabulary wants it.
  void encode(std::string_view text, bool at_start, std::vector<std::int32_t>& ids) const override;

 private:
  class Pass;

  // The id of an ordinary piece; none for control, user-defined, byte and unknown tokens.
  std::optional<std::int32_t> find(std::string_view piece) const;

  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;
  void encode_bytes(std::string_view bytes, std::vector<std::int32_t>& ids) const;

  const VocabularyTables& tables_;
  std::vector<std::string> joinable_;  // [vocab] ordinary pieces; the others are empty
  TextIndex index_;                    // of joinable_
  std::size_t piece_bytes_max_ = 0;
  std::optional<Unigram> unigram_;
  bool words_are_apart_ = true;  // what a word is cut into does not depend on its neighbours
};

}  // namespace troupe::model

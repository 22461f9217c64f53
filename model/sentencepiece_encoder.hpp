// SentencePiece's BPE, as Llama 2 and Mistral have it: neighbouring pieces are joined, the best
// score first, and what is in no piece is written as bytes. Source:
// github.com/google/sentencepiece/blob/master/src/bpe_model.cc
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/text_encoder.hpp"
#include "model/text_index.hpp"
#include "model/vocabulary.hpp"

namespace troupe::model {

class SentencepieceEncoder final : public TextEncoder {
 public:
  // `tables` must outlive it.
  explicit SentencepieceEncoder(const VocabularyTables& tables);

  // Puts a space before the text when the vocabulary wants it.
  void encode(std::string_view text, std::vector<std::int32_t>& ids) const override;

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
  bool pieces_keep_to_words_ = true;  // no piece has a space after another character
};

}  // namespace troupe::model

// Text to token ids and back, with the vocabulary of a model file: byte-level BPE or SentencePiece.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

class ModelFile;

// How text that looks like a special token (<|im_start|>) is read.
enum class SpecialTokens { kParse, kAsText };

class Tokenizer {
 public:
  // Throws config::UserError for a vocabulary or pre-tokenizer that is not supported, naming those
  // that are.
  explicit Tokenizer(const ModelFile& file);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Safe to call from several threads at once. Any bytes are accepted, UTF-8 or not, and come back
  // unchanged from `decode`, except bytes for which the vocabulary has no token: these are left
  // out, as the original tokenizers do (SmolLM2 lacks 21: six control characters, 0xF1, 0xF2 and
  // those that UTF-8 never uses), and one space at the start of a text where a folder's vocabulary
  // takes it for the one that it would put there. With kAsText no special token is found,
  // user-defined ones included. Adds no begin-of-sequence token: see `adds_bos`. Throws
  // std::length_error above 1 GiB.
  std::vector<std::int32_t> encode(std::string_view text, SpecialTokens special) const;

  // The bytes of one token; special tokens give their text. `id` must be in [0, vocab_size()). A
  // stream of them has a space at its start where `decode` leaves out the one that a SentencePiece
  // vocabulary put before the text.
  std::string_view piece(std::int32_t id) const;
  std::string decode(std::span<const std::int32_t> ids) const;

  std::int32_t vocab_size() const;
  bool is_special(std::int32_t id) const;  // control and user-defined tokens
  bool is_end_of_generation(std::int32_t id) const;
  const std::vector<std::int32_t>& end_of_generation() const;
  bool adds_bos() const;     // whether the model wants bos() before a bare prompt
  std::int32_t bos() const;  // -1: none
  std::int32_t eos() const;  // -1: none

 private:
  struct Vocabulary;
  std::unique_ptr<const Vocabulary> vocabulary_;
};

}  // namespace troupe::model

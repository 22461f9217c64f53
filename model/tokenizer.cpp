#include "model/tokenizer.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "model/gguf.hpp"
#include "model/gguf_cursor.hpp"
#include "model/pretokenizer.hpp"
#include "model/vocabulary.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{1}
                                      << 30;  // positions in a piece are 32 bits wide

void require_byte_level(const GgufFile& file) {
  const std::string_view kind = file.require_string("tokenizer.ggml.model");
  if (kind != "gpt2") {
    throw config::UserError(
        file.name() + ": metadata 'tokenizer.ggml.model' is " + in_quotes(kind) +
        ", which is not supported: give a model with a byte-level BPE tokenizer (gpt2)");
  }
}

std::unique_ptr<const Pretokenizer> make_pretokenizer(const GgufFile& file) {
  const std::string_view name = file.require_string("tokenizer.ggml.pre");
  auto pretokenizer = Pretokenizer::make(name);
  if (pretokenizer == nullptr) {
    throw config::UserError(file.name() + ": metadata 'tokenizer.ggml.pre' is " + in_quotes(name) +
                            ", which is not supported: give a model with one of " +
                            std::string(Pretokenizer::supported_names()));
  }
  return pretokenizer;
}

}  // namespace

struct Tokenizer::Vocabulary {
  VocabularyTables tables;
  std::unique_ptr<const Pretokenizer> pretokenizer;

  // Appends the ids of text without special tokens.
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;

  const std::string& piece(std::int32_t id) const {
    CHECK(id >= 0 && static_cast<std::size_t>(id) < tables.pieces.size(),
          "ids are checked at the door");
    return tables.pieces[static_cast<std::size_t>(id)];
  }
};

void Tokenizer::Vocabulary::encode_plain(std::string_view text,
                                         std::vector<std::int32_t>& ids) const {
  std::vector<std::string_view> pieces;
  pretokenizer->split(text, pieces);
  std::vector<std::int32_t> bytes;
  for (const std::string_view piece : pieces) {
    bytes.clear();
    for (const char character : piece) {
      const std::int32_t id = tables.byte_ids[static_cast<unsigned char>(character)];
      if (id >= 0) bytes.push_back(id);
    }
    tables.merges.apply(bytes, ids);
  }
}

Tokenizer::Tokenizer(const GgufFile& file) {
  require_byte_level(file);
  auto pretokenizer = make_pretokenizer(file);
  vocabulary_ = std::make_unique<const Vocabulary>(
      Vocabulary{read_vocabulary(file), std::move(pretokenizer)});
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (text.size() > kTextBytesMax) {
    throw std::length_error("a text to tokenize has at most " + std::to_string(kTextBytesMax) +
                            " bytes");
  }
  std::vector<std::int32_t> ids;
  std::size_t done = 0;
  while (special == SpecialTokens::kParse) {
    const auto hit = vocabulary_->tables.special_tokens.find(text, done);
    if (!hit) break;
    vocabulary_->encode_plain(text.substr(done, hit->at - done), ids);
    ids.push_back(hit->id);
    done = hit->at + hit->bytes;
  }
  vocabulary_->encode_plain(text.substr(done), ids);
  return ids;
}

std::string_view Tokenizer::piece(std::int32_t id) const { return vocabulary_->piece(id); }

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) text += vocabulary_->piece(id);
  return text;
}

std::int32_t Tokenizer::vocab_size() const {
  return static_cast<std::int32_t>(vocabulary_->tables.pieces.size());
}

bool Tokenizer::is_special(std::int32_t id) const {
  return vocabulary_->tables.special.at(static_cast<std::size_t>(id));
}

bool Tokenizer::is_end_of_generation(std::int32_t id) const {
  const std::vector<std::int32_t>& ends = end_of_generation();
  return std::binary_search(ends.begin(), ends.end(), id);
}

const std::vector<std::int32_t>& Tokenizer::end_of_generation() const {
  return vocabulary_->tables.end_of_generation;
}

bool Tokenizer::adds_bos() const { return vocabulary_->tables.adds_bos; }

std::int32_t Tokenizer::bos() const { return vocabulary_->tables.bos; }

std::int32_t Tokenizer::eos() const { return vocabulary_->tables.eos; }

}  // namespace troupe::model

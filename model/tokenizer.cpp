#include "model/tokenizer.hpp"

#include <algorithm>
#include <stdexcept>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "model/byte_level_encoder.hpp"
#include "model/gguf_cursor.hpp"
#include "model/model_file.hpp"
#include "model/pretokenizer.hpp"
#include "model/sentencepiece_encoder.hpp"
#include "model/vocabulary.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{1}
                                      << 30;  // positions in a piece are 32 bits wide

std::unique_ptr<const Pretokenizer> make_pretokenizer(const ModelFile& file) {
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
  explicit Vocabulary(const ModelFile& file) : tables(read_vocabulary(file)) {
    if (tables.kind == VocabularyKind::kByteLevel) {
      encoder = std::make_unique<const ByteLevelEncoder>(tables, make_pretokenizer(file));
    } else {
      encoder = std::make_unique<const SentencepieceEncoder>(tables);
    }
  }

  const std::string& piece(std::int32_t id) const {
    CHECK(id >= 0 && static_cast<std::size_t>(id) < tables.pieces.size(),
          "ids are checked at the door");
    return tables.pieces[static_cast<std::size_t>(id)];
  }

  const VocabularyTables tables;
  std::unique_ptr<const TextEncoder> encoder;
};

Tokenizer::Tokenizer(const ModelFile& file)
    : vocabulary_(std::make_unique<const Vocabulary>(file)) {}

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
    vocabulary_->encoder->encode(text.substr(done, hit->at - done), done == 0, ids);
    ids.push_back(hit->id);
    done = hit->at + hit->bytes;
  }
  vocabulary_->encoder->encode(text.substr(done), done == 0, ids);
  return ids;
}

std::string_view Tokenizer::piece(std::int32_t id) const { return vocabulary_->piece(id); }

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  const VocabularyTables& tables = vocabulary_->tables;
  std::string text;
  bool at_start = true;
  for (const std::int32_t id : ids) {
    std::string_view piece = vocabulary_->piece(id);
    if (at_start && tables.space_prefix != SpacePrefix::kNone && piece.starts_with(' '))
      piece.remove_prefix(1);
    text += piece;
    at_start = is_special(id) && tables.space_prefix != SpacePrefix::kAtStart;
  }
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

#include "model/vocabulary.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "config/user_error.hpp"
#include "model/byte_level.hpp"
#include "model/gguf_cursor.hpp"
#include "model/model_file.hpp"
#include "model/sentencepiece_text.hpp"
#include "model/text_index.hpp"
#include "model/unigram.hpp"

namespace troupe::model {
namespace {

// Ids are int32 and the largest vocabularies have a quarter of a million tokens.
constexpr std::size_t kVocabMax = 1U << 21;

// Longer ones are not looked for in texts: a search takes as long as a token at every byte.
// Published ones have fewer than 64 bytes.
constexpr std::size_t kSpecialTokenBytesMax = 1024;

// Token types of GGUF that matter here.
constexpr std::int64_t kOrdinary = 1;
constexpr std::int64_t kUnknown = 2;
constexpr std::int64_t kControl = 3;
constexpr std::int64_t kUserDefined = 4;
constexpr std::int64_t kByte = 6;

// Control tokens of these names end an answer in every model that has them, whatever eos_token_id
// says. Source: github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp, special_eog_ids
constexpr std::string_view kEndNames[] = {"<|im_end|>",
                                          "<|endoftext|>",
                                          "<|eot_id|>",
                                          "<|eom_id|>",
                                          "<|end|>",
                                          "<|end_of_text|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<end_of_turn>",
                                          "<end_of_utterance>",
                                          "<EOT>",
                                          "</s>",
                                          "<eos>"};

constexpr std::string_view kEndKeys[] = {
    "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};

[[noreturn]] void fail(const ModelFile& file, const std::string& key, const std::string& problem) {
  throw config::UserError(file.name() + ": metadata '" + key + "' " + problem);
}

VocabularyKind read_kind(const ModelFile& file) {
  const std::string_view kind = file.require_string("tokenizer.ggml.model");
  if (kind == "gpt2") return VocabularyKind::kByteLevel;
  if (kind == "llama") return VocabularyKind::kSentencepiece;
  if (kind == "t5") return VocabularyKind::kUnigram;
  fail(
      file,
      "tokenizer.ggml.model",
      "is " + in_quotes(kind) +
          ", which is not supported: give a model with a byte-level BPE tokenizer (gpt2) or one of "
          "SentencePiece (llama, t5)");
}

const std::vector<std::string>& require_strings(const ModelFile& file, const std::string& key) {
  const std::vector<std::string>* found = file.find_strings(key);
  if (found == nullptr) fail(file, key, "is missing: convert the model again");
  return *found;
}

const std::vector<std::string>& read_tokens(const ModelFile& file) {
  const std::string key = "tokenizer.ggml.tokens";
  const std::vector<std::string>& tokens = require_strings(file, key);
  if (tokens.empty() || tokens.size() > kVocabMax) {
    fail(file,
         key,
         "has " + std::to_string(tokens.size()) + " entries, not 1 to " +
             std::to_string(kVocabMax) + ": convert the model again");
  }
  return tokens;
}

// The type number of every token; without the key all are ordinary.
std::vector<std::int64_t> read_types(const ModelFile& file, std::size_t vocab) {
  const std::string key = "tokenizer.ggml.token_type";
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return std::vector<std::int64_t>(vocab, 1);
  std::vector<std::int64_t> types;
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&found->second)) {
    types = *integers;
  } else if (const auto* counts = std::get_if<std::vector<std::uint64_t>>(&found->second)) {
    types.reserve(counts->size());
    // An enormous number is no type that matters: cut to 0, which the format leaves undefined.
    for (const std::uint64_t count : *counts)
      types.push_back(count < 256 ? static_cast<std::int64_t>(count) : 0);
  } else {
    fail(file, key, "is not an array of integers: convert the model again");
  }
  if (types.size() != vocab) {
    fail(file,
         key,
         "has " + std::to_string(types.size()) + " entries for " + std::to_string(vocab) +
             " tokens: convert the model again");
  }
  return types;
}

// "left right", two tokens whose texts joined are a third.
Merge read_merge(const ModelFile& file,
                 const TextIndex& ids,
                 std::string_view line,
                 std::size_t index) {
  // Texts contain no spaces (a space is Ġ); a text that begins with one all the same keeps it.
  const std::size_t space = line.find(' ', 1);
  if (space != std::string_view::npos && space + 1 < line.size()) {
    const std::string_view left = line.substr(0, space);
    const std::string_view right = line.substr(space + 1);
    const auto left_id = ids.find(left);
    const auto right_id = ids.find(right);
    const auto merged = ids.find(std::string(left).append(right));
    if (left_id && right_id && merged) return {*left_id, *right_id, *merged};
  }
  fail(file,
       "tokenizer.ggml.merges",
       "has entry " + std::to_string(index) + ", " + in_quotes(line) +
           ", which does not join two tokens to a third: convert the model again");
}

MergeTable read_merges(const ModelFile& file, const TextIndex& ids, std::size_t vocab) {
  const std::vector<std::string>& lines = require_strings(file, "tokenizer.ggml.merges");
  std::vector<Merge> merges;
  merges.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i)
    merges.push_back(read_merge(file, ids, lines[i], i));
  return MergeTable(merges, static_cast<std::int32_t>(vocab));
}

std::int32_t checked_id(const ModelFile& file,
                        std::string_view key,
                        std::uint64_t id,
                        std::size_t vocab) {
  if (id >= vocab) {
    fail(file,
         std::string(key),
         "is " + std::to_string(id) + ", beyond the " + std::to_string(vocab) +
             " tokens: convert the model again");
  }
  return static_cast<std::int32_t>(id);
}

std::int32_t read_id(const ModelFile& file, std::string_view key, std::size_t vocab) {
  const std::optional<std::uint64_t> id = file.find_uint(key);
  return id ? checked_id(file, key, *id, vocab) : -1;
}

std::vector<double> read_scores(const ModelFile& file, std::size_t vocab) {
  const std::string key = "tokenizer.ggml.scores";
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) fail(file, key, "is missing: convert the model again");
  const auto* scores = std::get_if<std::vector<double>>(&found->second);
  if (scores == nullptr) fail(file, key, "is not an array of numbers: convert the model again");
  if (scores->size() != vocab) {
    fail(file,
         key,
         "has " + std::to_string(scores->size()) + " entries for " + std::to_string(vocab) +
             " tokens: convert the model again");
  }
  // What is not a number has no order.
  if (std::any_of(scores->begin(), scores->end(), [](double score) { return std::isnan(score); })) {
    fail(file, key, "has an entry that is not a number: convert the model again");
  }
  return *scores;
}

std::vector<std::int32_t> read_end_tokens(const ModelFile& file,
                                          const TextIndex& ids,
                                          const std::vector<std::int64_t>& types) {
  std::vector<std::int32_t> ends;
  for (const std::string_view key : kEndKeys) {
    const std::int32_t id = read_id(file, key, types.size());
    if (id >= 0) ends.push_back(id);
  }
  const auto more = file.metadata().find("troupe.end_token_ids");  // hf_folder.cpp
  if (more != file.metadata().end()) {
    const auto* ids_listed = std::get_if<std::vector<std::uint64_t>>(&more->second);
    if (ids_listed == nullptr)
      fail(file, more->first, "is no list of ids: convert the model again");
    for (const std::uint64_t id : *ids_listed)
      ends.push_back(checked_id(file, more->first, id, types.size()));
  }
  for (const std::string_view name : kEndNames) {
    const auto id = ids.find(name);
    if (id && types[static_cast<std::size_t>(*id)] == kControl) ends.push_back(*id);
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

// The bytes that a token which is not special stands for.
std::string plain_piece(VocabularyKind kind, const std::string& token, std::int64_t type) {
  if (kind == VocabularyKind::kByteLevel) {
    // Text that names no bytes, as padding entries may have, stands for itself.
    return byte_level::bytes_of(token).value_or(token);
  }
  const auto byte = type == kByte ? sentencepiece::byte_of(token) : std::nullopt;
  return byte ? std::string(1, static_cast<char>(*byte)) : sentencepiece::unescape(token);
}

void read_pieces(const std::vector<std::string>& tokens,
                 const std::vector<std::int64_t>& types,
                 VocabularyTables& tables) {
  std::vector<SpecialTokenFinder::Token> special_tokens;
  tables.pieces.reserve(tokens.size());
  tables.special.resize(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const bool special = types[id] == kControl || types[id] == kUserDefined;
    tables.special[id] = special;
    tables.pieces.push_back(special ? tokens[id] : plain_piece(tables.kind, tokens[id], types[id]));
    if (special && !tokens[id].empty() && tokens[id].size() <= kSpecialTokenBytesMax) {
      special_tokens.push_back({tokens[id], static_cast<std::int32_t>(id)});
    }
  }
  tables.special_tokens = SpecialTokenFinder(std::move(special_tokens));
}

// GGUF knows always and never; folders (hf_tokenizer.cpp) say the others beside it.
SpacePrefix read_space_prefix(const ModelFile& file) {
  if (!file.find_bool("tokenizer.ggml.add_space_prefix").value_or(true)) return SpacePrefix::kNone;
  const std::string key = "troupe.add_space_prefix";
  const std::string_view where = file.find_string(key).value_or("always");
  if (where == "always") return SpacePrefix::kAlways;
  if (where == "where missing") return SpacePrefix::kWhereMissing;
  if (where == "at start") return SpacePrefix::kAtStart;
  fail(file, key, "is " + in_quotes(where) + ", which is not known: convert the model again");
}

void read_byte_level(const ModelFile& file, const TextIndex& ids, VocabularyTables& tables) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::string name = byte_level::name_of(static_cast<std::uint8_t>(byte));
    tables.byte_ids[byte] = ids.find(name).value_or(-1);
  }
  tables.merges = read_merges(file, ids, tables.pieces.size());
  tables.ignores_merges = file.find_bool("troupe.ignore_merges");  // hf_tokenizer.cpp
}

void read_sentencepiece(const ModelFile& file,
                        const std::vector<std::string>& tokens,
                        const std::vector<std::int64_t>& types,
                        VocabularyTables& tables) {
  tables.scores = read_scores(file, tokens.size());
  tables.ordinary.resize(tokens.size());
  tables.byte_ids.fill(-1);
  tables.unknown = read_id(file, "tokenizer.ggml.unknown_token_id", tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    tables.ordinary[id] = types[id] == kOrdinary;
    if (types[id] == kUnknown && tables.unknown < 0) tables.unknown = static_cast<std::int32_t>(id);
    const auto byte = types[id] == kByte ? sentencepiece::byte_of(tokens[id]) : std::nullopt;
    if (byte) tables.byte_ids[*byte] = static_cast<std::int32_t>(id);
  }
  tables.space_prefix = read_space_prefix(file);
}

// Texts are taken as they are: models of these families change none before they cut it.
void check_unigram(const ModelFile& file, const VocabularyTables& tables) {
  for (const char* key : {"precompiled_charsmap", "remove_extra_whitespaces"}) {
    const std::string whole = std::string("tokenizer.ggml.") + key;
    const auto found = file.metadata().find(whole);
    if (found == file.metadata().end()) continue;
    const auto* flag = std::get_if<bool>(&found->second);
    if (flag == nullptr || *flag)
      fail(file, whole, "changes texts, which is not supported: give a model without it");
  }
  for (std::size_t id = 0; id < tables.pieces.size(); ++id) {
    const std::size_t bytes = tables.pieces[id].size();
    if (tables.ordinary[id] && bytes > Unigram::kPieceBytesMax)
      fail(file,
           "tokenizer.ggml.tokens",
           "has a piece of " + std::to_string(bytes) + " bytes at " + std::to_string(id) +
               ", more than the " + std::to_string(Unigram::kPieceBytesMax) +
               " supported: give a model with shorter pieces");
  }
}

// Llama 3 and every SentencePiece model begin with a token of their own, which older files do not
// say. Source: github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp
bool adds_bos_by_default(const ModelFile& file, VocabularyKind kind) {
  if (kind != VocabularyKind::kByteLevel) return kind == VocabularyKind::kSentencepiece;
  const std::string_view pre = file.find_string("tokenizer.ggml.pre").value_or("");
  return pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3";
}

}  // namespace

VocabularyTables read_vocabulary(const ModelFile& file) {
  VocabularyTables tables;
  tables.kind = read_kind(file);
  const std::vector<std::string>& tokens = read_tokens(file);
  const std::vector<std::int64_t> types = read_types(file, tokens.size());
  const TextIndex ids(tokens);
  read_pieces(tokens, types, tables);
  if (tables.kind == VocabularyKind::kByteLevel) {
    read_byte_level(file, ids, tables);
  } else {
    read_sentencepiece(file, tokens, types, tables);
  }
  if (tables.kind == VocabularyKind::kUnigram) check_unigram(file, tables);
  tables.end_of_generation = read_end_tokens(file, ids, types);
  tables.bos = read_id(file, "tokenizer.ggml.bos_token_id", tokens.size());
  tables.eos = read_id(file, "tokenizer.ggml.eos_token_id", tokens.size());
  const bool adds_bos = file.find_bool("tokenizer.ggml.add_bos_token")
                            .value_or(adds_bos_by_default(file, tables.kind));
  tables.adds_bos = tables.bos >= 0 && adds_bos;
  return tables;
}

}  // namespace troupe::model

#include "model/hf_tokenizer.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "model/gguf_cursor.hpp"
#include "model/hf_fields.hpp"
#include "model/hf_post_processor.hpp"
#include "model/hf_pretokenizer.hpp"

namespace troupe::model {
namespace {

constexpr std::uint64_t kVocabMax = 1U << 21;  // as vocabulary.cpp accepts

// Token types of GGUF.
enum Type : std::int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

constexpr const char* kSpace = "\xE2\x96\x81";  // U+2581, a space in SentencePiece's tokens

// <0x00> to <0xFF>: a byte that no other token has.
bool names_byte(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>') &&
         token.find_first_not_of("0123456789ABCDEF", 3) == 5;
}

class Reader {
 public:
  Reader(const JsonTree& tokenizer, const JsonTree* config, const std::string& name)
      : tokenizer_(tokenizer),
        config_(config != nullptr ? *config : kNone),
        model_(tokenizer.find("model") != nullptr ? *tokenizer.find("model") : kNone),
        name_(name),
        fields_(model_, name),
        bytes_fall_back_(fields_.flag_or("byte_fallback", false)) {}

  Metadata read(std::uint64_t rows) {
    check_model();
    read_vocabulary(rows);
    read_added_tokens();
    pad(rows);
    metadata_["tokenizer.ggml.model"] = std::string(bytes_fall_back_ ? "llama" : "gpt2");
    bytes_fall_back_ ? read_sentence_pieces() : read_byte_level();
    for (const char* which : {"bos", "eos", "unk", "pad"}) read_special(which);
    metadata_["tokenizer.ggml.add_bos_token"] = adds_bos();
    metadata_["tokenizer.ggml.tokens"] = std::move(tokens_);
    metadata_["tokenizer.ggml.token_type"] = std::move(types_);
    if (const std::string* source = chat_template()) metadata_["tokenizer.chat_template"] = *source;
    return std::move(metadata_);
  }

 private:
  static inline const JsonTree kNone;

  [[noreturn]] void fail(const std::string& field, const std::string& problem) const {
    fields_.fail(field, problem);
  }

  void check_model() const {
    const std::string type = fields_.text_or("type", "BPE");
    if (type != "BPE")
      fail("model.type", "is " + in_quotes(type) + ", which is not supported: give a BPE model");
    for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!fields_.text_or(affix, "").empty())
        fail(std::string("model.") + affix, "is not supported: give a model without it");
    }
  }

  // Ids are those of the vocabulary and of the added tokens; where there are gaps, and up to the
  // embedding's rows, the list is padded.
  void read_vocabulary(std::uint64_t rows) {
    const JsonTree* vocab = model_.find("vocab");
    if (vocab == nullptr || vocab->object() == nullptr)
      fail("model.vocab", "is missing or no object: fetch the model again");
    tokens_.reserve(std::min(rows, kVocabMax));
    for (const JsonMember& member : *vocab->object()) {
      const std::size_t id = id_of(member.value, "model.vocab");
      if (types_[id] != kUnused)
        fail("model.vocab", "has id " + std::to_string(id) + " twice: fetch the model again");
      tokens_[id] = member.key;
      types_[id] = bytes_fall_back_ && names_byte(member.key) ? kByte : kNormal;
    }
  }

  // Makes room for the id in the lists.
  std::size_t id_of(const JsonTree& value, const std::string& field) {
    const auto id = value.count();
    if (!id || *id >= kVocabMax)
      fail(field,
           "has an id that is not 0 to " + std::to_string(kVocabMax - 1) +
               ": fetch the model again");
    if (*id >= tokens_.size()) {
      tokens_.resize(*id + 1);
      types_.resize(*id + 1, kUnused);
    }
    return *id;
  }

  void read_added_tokens() {
    const JsonTree* added = tokenizer_.find("added_tokens");
    if (added == nullptr) return;
    if (added->array() == nullptr) fail("added_tokens", "is no list: fetch the model again");
    for (const JsonTree& token : *added->array()) {
      const JsonTree* content = token.find("content");
      const JsonTree* number = token.find("id");
      if (content == nullptr || content->text() == nullptr || number == nullptr)
        fail("added_tokens", "has an entry without content or id: fetch the model again");
      const std::size_t id = id_of(*number, "added_tokens");
      if (types_[id] != kUnused && tokens_[id] != *content->text())
        fail("added_tokens",
             "names token " + std::to_string(id) + " " + in_quotes(*content->text()) +
                 " where model.vocab has " + in_quotes(tokens_[id]) + ": fetch the model again");
      tokens_[id] = *content->text();
      for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
        const JsonTree* set = token.find(flag);
        if (set != nullptr && set->flag() == true)
          fail("added_tokens",
               "has " + in_quotes(*content->text()) + " with " + flag +
                   ", which is not supported: give a model without it");
      }
      const JsonTree* special = token.find("special");
      types_[id] = special != nullptr && special->flag() == true ? kControl : kUserDefined;
      added_[tokens_[id]] = id;
    }
  }

  void pad(std::uint64_t rows) {
    if (rows > kVocabMax)
      fail("the vocabulary",
           "has " + std::to_string(rows) + " rows in the embedding, more than the " +
               std::to_string(kVocabMax) + " tokens supported");
    if (tokens_.size() > rows)
      fail("the vocabulary",
           "has " + std::to_string(tokens_.size()) + " tokens where the embedding has " +
               std::to_string(rows) + " rows: fetch the model again");
    tokens_.resize(rows);
    types_.resize(rows, kUnused);
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] == kUnused) tokens_[id] = "[PAD" + std::to_string(id) + "]";
    }
  }

  // The two tokens of a merge: "left right", or a list of two.
  std::pair<std::string_view, std::string_view> merge_of(const JsonTree& merge) const {
    if (const std::string* line = merge.text()) {
      const std::size_t space = line->find(' ', 1);
      if (space != std::string::npos && space + 1 < line->size())
        return {std::string_view(*line).substr(0, space),
                std::string_view(*line).substr(space + 1)};
    }
    const JsonTree::Array* pair = merge.array();
    if (pair != nullptr && pair->size() == 2 && (*pair)[0].text() && (*pair)[1].text())
      return {*(*pair)[0].text(), *(*pair)[1].text()};
    fail("model.merges", "has an entry that is no pair of tokens: fetch the model again");
  }

  const JsonTree::Array& merges() const {
    const JsonTree* merges = model_.find("merges");
    if (merges == nullptr || merges->array() == nullptr)
      fail("model.merges", "is missing or no list: fetch the model again");
    return *merges->array();
  }

  void read_byte_level() {
    const JsonTree* pre_tokenizer = step("pre_tokenizer", "pretokenizers");
    const auto pre = pre_tokenizer != nullptr ? known_pretokenizer(*pre_tokenizer) : std::nullopt;
    if (!pre)
      fail("pre_tokenizer",
           "is none that is known: supported are those of GPT-2, SmolLM, Qwen2, Llama 3, "
           "DeepSeek-LLM and DeepSeek-R1's distillations");
    metadata_["tokenizer.ggml.pre"] = *pre;
    // Composed characters (NFC), which Qwen2 asks for, are left as the text has them:
    // docs/decisions/0021-hugging-face-folders.md
    const JsonTree* normalizer = step("normalizer", "normalizers");
    if (normalizer != nullptr && !has_type(normalizer, "NFC"))
      fail("normalizer", "is not supported with tokens of bytes: give a model without one");
    metadata_["troupe.ignore_merges"] = fields_.flag_or("ignore_merges", false);
    std::vector<std::string> lines;
    lines.reserve(merges().size());
    for (const JsonTree& merge : merges()) {
      const auto [left, right] = merge_of(merge);
      lines.push_back(std::string(left).append(" ").append(right));
    }
    metadata_["tokenizer.ggml.merges"] = std::move(lines);
  }

  // SentencePiece merges what makes the token of the highest score. Its conversion lists merges by
  // that score, so that the first merge that makes a token gives the token's place among all.
  void read_sentence_pieces() {
    metadata_["tokenizer.ggml.pre"] = std::string("default");
    const std::string spaces = space_prefix();
    metadata_["tokenizer.ggml.add_space_prefix"] = spaces != "never";
    if (spaces != "never") metadata_["troupe.add_space_prefix"] = spaces;
    std::map<std::string, std::size_t, std::less<>> ranks;
    for (const JsonTree& merge : merges()) {
      const auto [left, right] = merge_of(merge);
      ranks.emplace(std::string(left).append(right), ranks.size());
    }
    std::vector<double> scores;
    scores.reserve(tokens_.size());
    for (const std::string& token : tokens_) {
      const auto rank = ranks.find(token);
      scores.push_back(rank == ranks.end() ? -1e9 : -static_cast<double>(rank->second));
    }
    metadata_["tokenizer.ggml.scores"] = std::move(scores);
  }

  // What is done to texts at this point; a sequence of no steps is none.
  const JsonTree* step(std::string_view name, std::string_view list) const {
    const JsonTree* found = tokenizer_.find(name);
    const JsonTree* steps = has_type(found, "Sequence") ? found->find(list) : nullptr;
    const bool is_empty = steps != nullptr && steps->array() != nullptr && steps->array()->empty();
    return is_empty ? nullptr : found;
  }

  static bool has_type(const JsonTree* step, std::string_view type) {
    const JsonTree* found = step != nullptr ? step->find("type") : nullptr;
    return found != nullptr && found->text() != nullptr && *found->text() == type;
  }

  static bool has_text(const JsonTree* step, std::string_view field, std::string_view text) {
    const JsonTree* found = step != nullptr ? step->find(field) : nullptr;
    return found != nullptr && found->text() != nullptr && *found->text() == text;
  }

  static bool makes_spaces(const JsonTree& step) {
    return has_type(&step, "Replace") && has_text(step.find("pattern"), "String", " ") &&
           has_text(&step, "content", kSpace);
  }

  // Where a space goes before the text, as vocabulary.cpp reads it. Older files say so by a
  // normalizer, newer ones by a pre-tokenizer.
  std::string space_prefix() const {
    const JsonTree* normalizer = step("normalizer", "normalizers");
    const JsonTree* pre_tokenizer = step("pre_tokenizer", "pretokenizers");
    if (normalizer == nullptr && has_type(pre_tokenizer, "Metaspace") &&
        has_text(pre_tokenizer, "replacement", kSpace)) {
      return metaspace(*pre_tokenizer);
    }
    if (pre_tokenizer == nullptr && normalizer != nullptr) {
      if (makes_spaces(*normalizer)) return "never";
      const JsonTree* list = normalizer->find("normalizers");
      const bool is_pair =
          list != nullptr && list->array() != nullptr && list->array()->size() == 2;
      if (is_pair && has_type(&list->array()->front(), "Prepend") &&
          has_text(&list->array()->front(), "prepend", kSpace) &&
          makes_spaces(list->array()->back())) {
        return "always";
      }
    }
    fail("normalizer",
         "and pre_tokenizer are none that are known: supported are those of Llama 2 "
         "and Mistral");
  }

  std::string metaspace(const JsonTree& found) const {
    // Where it splits (which is so when it does not say), no token has a space after anything.
    const JsonTree* splits = found.find("split");
    if (splits == nullptr || splits->flag() != false)
      fail("pre_tokenizer", "splits at spaces, which is not supported: give a GGUF file");
    if (has_text(&found, "prepend_scheme", "never")) return "never";
    if (has_text(&found, "prepend_scheme", "first")) return "at start";
    if (has_text(&found, "prepend_scheme", "always")) return "where missing";
    fail("pre_tokenizer", "has no prepend_scheme that is known: give a GGUF file");
  }

  // The text of bos_token and the like in tokenizer_config.json: plain, or an object's content.
  std::optional<std::size_t> special(const std::string& which) const {
    const JsonTree* found = config_.find(which + "_token");
    if (found != nullptr && found->object() != nullptr) found = found->find("content");
    if (found == nullptr || found->text() == nullptr) return std::nullopt;
    const auto added = added_.find(*found->text());
    if (added != added_.end()) return added->second;
    const auto token = std::find(tokens_.begin(), tokens_.end(), *found->text());
    if (token == tokens_.end())
      fail("the vocabulary",
           "has no token " + in_quotes(*found->text()) + ", which tokenizer_config.json gives as " +
               which + "_token: fetch the model again");
    return static_cast<std::size_t>(token - tokens_.begin());
  }

  void read_special(const std::string& which) {
    const auto id = special(which);
    if (!id) return;
    const std::string name = which == "unk" ? "unknown" : which == "pad" ? "padding" : which;
    metadata_["tokenizer.ggml." + name + "_token_id"] = std::uint64_t{*id};
    if (which == "unk" && bytes_fall_back_) types_[*id] = kUnknown;
    if (which == "bos") bos_ = id;
  }

  // What the post-processor puts before a text decides; without one, tokenizer_config.json.
  bool adds_bos() {
    const auto around = read_hf_template(tokenizer_, name_);
    if (!around) {
      const JsonTree* flag = config_.find("add_bos_token");
      return bos_ && flag != nullptr && flag->flag() == true;
    }
    if (!around->first) return false;
    if (*around->first >= tokens_.size() || (bos_ && *bos_ != *around->first))
      fail("post_processor",
           "begins texts with token " + std::to_string(*around->first) +
               ", which is not the bos_token of tokenizer_config.json: fetch the model again");
    metadata_["tokenizer.ggml.bos_token_id"] = *around->first;
    return true;
  }

  // A text, or a list of named ones, of which the default is meant.
  const std::string* chat_template() const {
    const JsonTree* found = config_.find("chat_template");
    if (found == nullptr || found->array() == nullptr)
      return found != nullptr ? found->text() : nullptr;
    for (const JsonTree& one : *found->array()) {
      const JsonTree* source = one.find("template");
      if (has_text(&one, "name", "default") && source != nullptr) return source->text();
    }
    return nullptr;
  }

  const JsonTree& tokenizer_;
  const JsonTree& config_;
  const JsonTree& model_;
  const std::string& name_;
  HfFields fields_;  // of model_
  bool bytes_fall_back_;
  std::vector<std::string> tokens_;
  std::vector<std::int64_t> types_;
  std::map<std::string, std::size_t, std::less<>> added_;  // text → id
  std::optional<std::size_t> bos_;
  Metadata metadata_;
};

}  // namespace

Metadata read_hf_tokenizer(const JsonTree& tokenizer,
                           const JsonTree* config,
                           std::uint64_t rows,
                           const std::string& name) {
  return Reader(tokenizer, config, name).read(rows);
}

}  // namespace troupe::model

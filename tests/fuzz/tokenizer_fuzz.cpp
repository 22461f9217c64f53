// Text of any bytes against small vocabularies. The first byte chooses one of them and how special
// tokens are read. All bytes have a token, so what comes back is the text itself; with
// SentencePiece its U+2581 are spaces.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/check.hpp"
#include "model/model_file.hpp"
#include "model/pretokenizer.hpp"
#include "model/sentencepiece_text.hpp"
#include "model/tokenizer.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;

namespace {

// The tokens of a vocabulary in the making.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;

  void add(std::string token, std::int32_t type) {
    tokens.push_back(std::move(token));
    types.push_back(type);
  }

  // Control and user-defined tokens, of which one begins another.
  void add_special() {
    add("<s>", 3);
    add("<s>x", 4);
    add("<|end|>", 3);
  }

  tests::GgufBuilder builder(const std::string& kind) const {
    return tests::GgufBuilder()
        .string("tokenizer.ggml.model", kind)
        .strings("tokenizer.ggml.tokens", tokens)
        .int32s("tokenizer.ggml.token_type", types);
  }
};

model::Tokenizer parse(const tests::GgufBuilder& builder) {
  const auto bytes = builder.build();
  return model::Tokenizer(model::ModelFile::parse(bytes, "fuzz.gguf"));
}

// Bytes, words grown by merges, and runs of spaces.
model::Tokenizer make_byte_level(const std::string& pretokenizer) {
  Vocabulary vocabulary;
  for (unsigned byte = 0; byte < 256; ++byte) {
    vocabulary.add(model::byte_level::name_of(static_cast<std::uint8_t>(byte)), 1);
  }
  std::vector<std::string> merges;
  const auto merge = [&](const std::string& left, const std::string& right) {
    merges.push_back(left + " " + right);
    vocabulary.add(left + right, 1);
  };
  const std::string space = model::byte_level::name_of(' ');
  merge("a", "a");
  merge("aa", "aa");
  merge("h", "e");
  merge("t", "he");
  merge(space, "the");
  merge(space, space);
  merge(space + space, space + space);
  vocabulary.add("12", 1);  // which no merge makes: llama-bpe alone finds it
  vocabulary.add_special();
  return parse(vocabulary.builder("gpt2")
                   .string("tokenizer.ggml.pre", pretokenizer)
                   .strings("tokenizer.ggml.merges", merges));
}

// Bytes, and pieces of which the later is the better. `more` may reach across words, which takes
// another way through the encoder.
model::Tokenizer make_sentencepiece(const std::string& kind,
                                    bool adds_space,
                                    const std::vector<std::string>& more) {
  Vocabulary vocabulary;
  const char* digits = "0123456789ABCDEF";
  for (unsigned byte = 0; byte < 256; ++byte) {
    vocabulary.add(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", 6);
  }
  for (const char* piece : {"a", "h", "e", "t", "é", "日", "▁", "▁▁", "▁▁▁▁", "▁t", "he", "▁the"})
    vocabulary.add(piece, 1);
  for (const std::string& piece : more) vocabulary.add(piece, 1);
  vocabulary.add_special();
  tests::GgufBytes scores;
  scores.number<std::uint32_t>(tests::GgufBuilder::kFloat32);
  scores.number<std::uint64_t>(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id)
    scores.number(static_cast<float>(id));
  return parse(vocabulary.builder(kind)
                   .boolean("tokenizer.ggml.add_space_prefix", adds_space)
                   .raw("tokenizer.ggml.scores", tests::GgufBuilder::kArray, scores));
}

constexpr std::array kPretokenizers{
    "gpt-2", "smollm", "qwen2", "llama-bpe", "deepseek-llm", "deepseek-r1-qwen"};

std::vector<model::Tokenizer> make_tokenizers() {
  std::vector<model::Tokenizer> all;
  for (const char* name : kPretokenizers) all.push_back(make_byte_level(name));
  all.push_back(make_sentencepiece("llama", true, {"aa", "aaaa"}));
  all.push_back(make_sentencepiece("llama", false, {"aa", "aa▁a", "e▁"}));
  all.push_back(make_sentencepiece("t5", true, {"aa", "aaaa"}));
  all.push_back(make_sentencepiece("t5", false, {"aa", "aa▁a", "e▁"}));
  return all;
}

// The shortcut for words cuts where the patterns do.
void check_pieces(const char* name, std::string_view text) {
  const auto pretokenizer = model::Pretokenizer::make(name);
  std::vector<std::string_view> pieces;
  std::vector<std::string_view> expected;
  pretokenizer->split(text, pieces);
  pretokenizer->split_by_patterns(text, expected);
  CHECK(pieces == expected, "pieces are those of the patterns");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<model::Tokenizer> tokenizers = make_tokenizers();
  if (size == 0) return 0;
  const std::size_t chosen = data[0] / 2 % tokenizers.size();
  const model::Tokenizer& tokenizer = tokenizers[chosen];
  const auto special =
      data[0] % 2 == 0 ? model::SpecialTokens::kParse : model::SpecialTokens::kAsText;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string back = tokenizer.decode(tokenizer.encode(text, special));
  if (chosen < kPretokenizers.size()) {
    check_pieces(kPretokenizers[chosen], text);
    CHECK(back == text, "the text comes back");
  } else {
    CHECK(back == model::sentencepiece::unescape(text), "the text comes back but for U+2581");
  }
  return 0;
}

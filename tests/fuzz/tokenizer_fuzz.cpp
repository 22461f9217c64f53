// Text of any bytes against small vocabularies. The first byte chooses the pre-tokenizer and how
// special tokens are read. All bytes have a token, so what comes back is the text itself.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/check.hpp"
#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;

namespace {

// Bytes, words grown by merges, runs of spaces, and special tokens of which one begins another.
model::Tokenizer make_tokenizer(const std::string& pretokenizer) {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  const auto add = [&](std::string token, std::int32_t type) {
    tokens.push_back(std::move(token));
    types.push_back(type);
  };
  for (unsigned byte = 0; byte < 256; ++byte) {
    add(model::byte_level::name_of(static_cast<std::uint8_t>(byte)), 1);
  }
  std::vector<std::string> merges;
  const auto merge = [&](const std::string& left, const std::string& right) {
    merges.push_back(left + " " + right);
    add(left + right, 1);
  };
  const std::string space = model::byte_level::name_of(' ');
  merge("a", "a");
  merge("aa", "aa");
  merge("h", "e");
  merge("t", "he");
  merge(space, "the");
  merge(space, space);
  merge(space + space, space + space);
  add("<s>", 3);
  add("<s>x", 4);
  add("<|end|>", 3);
  const auto bytes = tests::GgufBuilder()
                         .string("tokenizer.ggml.model", "gpt2")
                         .string("tokenizer.ggml.pre", pretokenizer)
                         .strings("tokenizer.ggml.tokens", tokens)
                         .int32s("tokenizer.ggml.token_type", types)
                         .strings("tokenizer.ggml.merges", merges)
                         .build();
  return model::Tokenizer(model::ModelFile::parse(bytes, "fuzz.gguf"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array tokenizers{
      make_tokenizer("gpt-2"), make_tokenizer("smollm"), make_tokenizer("qwen2")};
  if (size == 0) return 0;
  const model::Tokenizer& tokenizer = tokenizers[data[0] / 2 % tokenizers.size()];
  const auto special =
      data[0] % 2 == 0 ? model::SpecialTokens::kParse : model::SpecialTokens::kAsText;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  CHECK(tokenizer.decode(tokenizer.encode(text, special)) == text, "the text comes back");
  return 0;
}

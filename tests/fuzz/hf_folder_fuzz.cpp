// The JSON files of a Hugging Face folder: config.json, tokenizer.json and tokenizer_config.json,
// ended by zero bytes, after a byte that says how many rows the embedding has. Each is read or
// refused with a UserError; so is what they say in the keys of GGUF.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "config/user_error.hpp"
#include "model/architecture.hpp"
#include "model/chat_template.hpp"
#include "model/hf_config.hpp"
#include "model/hf_tokenizer.hpp"
#include "model/json_tree.hpp"
#include "model/model_file.hpp"
#include "model/rope_frequencies.hpp"
#include "model/tokenizer.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;

namespace {

// One reader's refusal keeps none of the others from reading.
template <class Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const config::UserError&) {
  }
}

// The value types' numbers in GGUF.
template <class T>
constexpr std::uint32_t type_number() {
  if constexpr (std::is_same_v<T, bool>) return tests::GgufBuilder::kBool;
  if constexpr (std::is_same_v<T, std::uint64_t>) return 10;
  if constexpr (std::is_same_v<T, std::int64_t>) return 11;
  if constexpr (std::is_same_v<T, double>) return 12;
  return tests::GgufBuilder::kString;
}

template <class T>
void append(tests::GgufBytes& to, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    to.string(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    to.number<std::uint8_t>(value ? 1 : 0);
  } else {
    to.number(value);
  }
}

template <class T>
void add(tests::GgufBuilder& builder, const std::string& key, const T& value) {
  tests::GgufBytes bytes;
  append(bytes, value);
  builder.raw(key, type_number<T>(), bytes);
}

template <class T>
void add(tests::GgufBuilder& builder, const std::string& key, const std::vector<T>& values) {
  tests::GgufBytes bytes;
  bytes.number(type_number<T>()).template number<std::uint64_t>(values.size());
  for (const auto& value : values) append<T>(bytes, value);
  builder.raw(key, tests::GgufBuilder::kArray, bytes);
}

void add_all(tests::GgufBuilder& builder, const model::Metadata& metadata) {
  for (const auto& entry : metadata) {
    std::visit([&](const auto& value) { add(builder, entry.first, value); }, entry.second);
  }
}

void read_config(std::string_view text, std::uint64_t rows) {
  const model::JsonTree tree = model::read_json(text, "config.json");
  read_or_refuse([&] { model::read_hf_end_tokens(tree, "config.json"); });
  const model::HfConfig config = model::read_hf_config(tree, "config.json");
  tests::GgufBuilder builder;
  add_all(builder, config.metadata);
  constexpr std::uint64_t kHiddenMax = 64;  // of the seeds; a wider model lacks its embedding
  const auto hidden =
      std::get<std::uint64_t>(config.metadata.at(config.family + ".embedding_length"));
  if (hidden <= kHiddenMax)
    builder.tensor_f32("token_embd.weight", {hidden, rows}, std::vector<float>(hidden * rows));
  if (!config.rope_factors.empty())
    builder.tensor_f32("rope_freqs.weight", {config.rope_factors.size()}, config.rope_factors);
  const std::vector<std::byte> bytes = builder.build();
  model::rope_frequencies(model::read_architecture(model::ModelFile::parse(bytes, "config.json")));
}

void read_tokenizer(std::string_view text, std::string_view config_text, std::uint64_t rows) {
  const model::JsonTree tree = model::read_json(text, "tokenizer.json");
  model::JsonTree config;
  read_or_refuse([&] { config = model::read_json(config_text, "tokenizer_config.json"); });
  tests::GgufBuilder builder;
  add_all(builder, model::read_hf_tokenizer(tree, &config, rows, "tokenizer.json"));
  const std::vector<std::byte> bytes = builder.build();
  const model::ModelFile file = model::ModelFile::parse(bytes, "tokenizer.json");
  read_or_refuse([&] { const model::ChatTemplate chat_template(file); });
  const model::Tokenizer tokenizer(file);
  tokenizer.decode(tokenizer.encode("Hi there, 12 <s>\n", model::SpecialTokens::kParse));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint64_t rows = data[0];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::array<std::string_view, 3> texts;
  for (std::string_view& text : texts) {
    text = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(text.size() == rest.size() ? text.size() : text.size() + 1);
  }
  read_or_refuse([&] { read_config(texts[0], rows); });
  read_or_refuse([&] { read_tokenizer(texts[1], texts[2], rows); });
  return 0;
}

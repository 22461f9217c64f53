// Every kind of tokenizer against llama.cpp's own vocabulary tests, and against ids that Hugging
// Face's and Google's libraries made: scripts/golden/make_vocabulary_goldens.py.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "tests/support/model_files.hpp"

using namespace troupe;
using model::SpecialTokens;

namespace {

using Ids = std::vector<std::int32_t>;

std::filesystem::path data_of(const std::string& name) {
  return tests::repository() / "tests/model/data/vocabularies" / name;
}

std::string vocabulary(const std::string& name) { return "ggml-vocab-" + name + ".gguf"; }

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The texts of NAME.inp have one line of ids each in NAME.out.
void check_llama_cpp(const model::Tokenizer& tokenizer, const std::string& name) {
  constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
  const std::string texts = content_of(data_of(vocabulary(name) + ".inp"));
  std::istringstream lines(content_of(data_of(vocabulary(name) + ".out")));
  std::string line;
  std::size_t begin = 0;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    const std::size_t end = texts.find(kBetween, begin);
    BOOST_REQUIRE(end != std::string::npos);
    const std::string text = texts.substr(begin, end - begin);
    std::istringstream numbers(line);
    const Ids expected{std::istream_iterator<std::int32_t>(numbers), {}};
    BOOST_TEST(tokenizer.encode(text, SpecialTokens::kAsText) == expected, name << ": " << text);
    begin = end + kBetween.size();
  }
  BOOST_TEST(count == 46);
}

void check_goldens(const model::Tokenizer& tokenizer, const std::string& name) {
  std::ifstream file(data_of("goldens.json"));
  const nlohmann::json goldens = nlohmann::json::parse(file).at(name);
  BOOST_TEST(goldens.size() > 90U);
  for (const auto& golden : goldens) {
    const auto text = golden.at("text").get<std::string>();
    const Ids ids = tokenizer.encode(text, SpecialTokens::kAsText);
    BOOST_TEST(ids == golden.at("ids").get<Ids>(), name << ": " << golden.at("text"));
    BOOST_TEST(tokenizer.decode(ids) == text, name << ": " << golden.at("text"));
  }
}

model::Tokenizer tokenizer_of(const std::string& name) {
  return model::Tokenizer(model::ModelFile::open(data_of(vocabulary(name))));
}

}  // namespace

BOOST_AUTO_TEST_CASE(gpt2_has_the_ids_of_llama_cpp_and_hugging_face) {
  const model::Tokenizer tokenizer = tokenizer_of("gpt-2");
  check_llama_cpp(tokenizer, "gpt-2");
  check_goldens(tokenizer, "gpt-2");
}

BOOST_AUTO_TEST_CASE(llama_bpe_has_the_ids_of_llama_cpp_and_hugging_face) {
  const model::Tokenizer tokenizer = tokenizer_of("llama-bpe");
  check_llama_cpp(tokenizer, "llama-bpe");
  check_goldens(tokenizer, "llama-bpe");
  BOOST_TEST(tokenizer.adds_bos());
}

BOOST_AUTO_TEST_CASE(sentencepiece_of_llama_2_has_the_ids_of_llama_cpp_and_of_sentencepiece) {
  const model::Tokenizer tokenizer = tokenizer_of("llama-spm");
  check_llama_cpp(tokenizer, "llama-spm");
  check_goldens(tokenizer, "llama-spm");
  BOOST_TEST(tokenizer.adds_bos());
}

BOOST_AUTO_TEST_CASE(deepseek_llm_has_the_ids_of_llama_cpp) {
  check_llama_cpp(tokenizer_of("deepseek-llm"), "deepseek-llm");
}

BOOST_AUTO_TEST_CASE(qwen2_has_the_ids_of_llama_cpp) {
  const auto file = model::ModelFile::open(tests::model_file(tests::kQwenCoder));
  check_llama_cpp(model::Tokenizer(file), "qwen2");
}

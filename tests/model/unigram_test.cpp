#include "model/unigram.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/model_files.hpp"

using namespace troupe;
using model::SpecialTokens;

namespace {

using Ids = std::vector<std::int32_t>;

// A vocabulary as a GGUF file has it; the first three tokens are unknown, begin and end.
struct Pieces {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::string charsmap;

  std::vector<std::byte> build() const {
    std::vector<std::int32_t> types = {2, 3, 3};
    for (std::size_t id = 3; id < tokens.size(); ++id)
      types.push_back(tokens[id].size() == 6 && tokens[id].starts_with("<0x") ? 6 : 1);
    tests::GgufBytes numbers;
    numbers.number<std::uint32_t>(tests::GgufBuilder::kFloat32)
        .number<std::uint64_t>(scores.size());
    for (const float score : scores) numbers.number(score);
    tests::GgufBuilder builder;
    builder.string("tokenizer.ggml.model", "t5").strings("tokenizer.ggml.tokens", tokens);
    builder.int32s("tokenizer.ggml.token_type", types).uint32("tokenizer.ggml.bos_token_id", 1);
    builder.raw("tokenizer.ggml.scores", tests::GgufBuilder::kArray, numbers);
    if (!charsmap.empty()) builder.string("tokenizer.ggml.precompiled_charsmap", charsmap);
    return builder.build();
  }
};

Ids ids_of(const Pieces& pieces, const std::string& text) {
  const auto bytes = pieces.build();
  const model::Tokenizer tokenizer(model::ModelFile::parse(bytes, "m.gguf"));
  return tokenizer.encode(text, SpecialTokens::kAsText);
}

std::string refusal(const Pieces& pieces) {
  try {
    ids_of(pieces, "a");
  } catch (const config::UserError& error) {
    return error.what();
  }
  return "";
}

nlohmann::json goldens() {
  std::ifstream file(tests::repository() / "tests/model/data/unigram_goldens.json");
  return nlohmann::json::parse(file);
}

}  // namespace

BOOST_AUTO_TEST_CASE(ids_are_those_of_hugging_face_tokenizers) {
  const nlohmann::json golden = goldens();
  Pieces pieces;
  for (const auto& entry : golden["vocabulary"]) {
    pieces.tokens.push_back(entry[0]);
    pieces.scores.push_back(entry[1]);
  }
  const auto bytes = pieces.build();
  const model::Tokenizer tokenizer(model::ModelFile::parse(bytes, "m.gguf"));
  BOOST_REQUIRE(golden["cases"].size() > 100U);
  for (const auto& entry : golden["cases"]) {
    const std::string text = entry["text"];
    const Ids found = tokenizer.encode(text, SpecialTokens::kAsText);
    BOOST_TEST(found == entry["ids"].get<Ids>(), text);
    BOOST_TEST(tokenizer.decode(found) == text);
  }
}

BOOST_AUTO_TEST_CASE(the_greatest_sum_of_scores_wins_over_the_longest_piece) {
  const std::vector<std::string> tokens = {"", "a", "b", "c", "abc", "ab"};
  const std::vector<double> scores = {0, -1, -1, -1, -4, -1.5};
  const model::Unigram unigram(tokens, scores);
  const auto pieces = unigram.split("abc");
  BOOST_REQUIRE(pieces.size() == 2U);
  BOOST_TEST(pieces[0].id == 5);
  BOOST_TEST(pieces[1].id == 3);
}

BOOST_AUTO_TEST_CASE(characters_in_no_piece_are_one_unknown_stretch) {
  const std::vector<std::string> tokens = {"", "a"};
  const std::vector<double> scores = {0, -1};
  const model::Unigram unigram(tokens, scores);
  const auto pieces = unigram.split("aé\xFFz");
  BOOST_REQUIRE(pieces.size() == 2U);
  BOOST_TEST(pieces[0].id == 1);
  BOOST_TEST(pieces[1].id == -1);
  BOOST_TEST(pieces[1].text == "é\xFFz");
  BOOST_TEST(unigram.split("").empty());
}

BOOST_AUTO_TEST_CASE(without_tokens_for_bytes_an_unknown_stretch_is_one_token) {
  const Pieces pieces{{"<unk>", "<s>", "</s>", "▁", "a"}, {0, 0, 0, -1, -2}, ""};
  BOOST_TEST(ids_of(pieces, "aéé a") == (Ids{3, 4, 0, 3, 4}));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_followed_is_refused_by_name) {
  Pieces pieces{{"<unk>", "<s>", "</s>", "a"}, {0, 0, 0, -1}, "map"};
  BOOST_TEST(refusal(pieces).find("precompiled_charsmap") != std::string::npos);
  pieces.charsmap.clear();
  BOOST_TEST(refusal(pieces).empty());
  pieces.tokens[3] = std::string(model::Unigram::kPieceBytesMax + 1, 'a');
  BOOST_TEST(refusal(pieces).find("257 bytes") != std::string::npos);
}

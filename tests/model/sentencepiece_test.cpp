#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "model/utf8.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;
using model::SpecialTokens;

namespace {

using Ids = std::vector<std::int32_t>;

// Unknown, begin and end, the 256 bytes from id 3 as Llama 2 has them, a user-defined token, and
// then ordinary pieces, the earlier the better.
constexpr std::int32_t kFirstByte = 3;
constexpr std::int32_t kUser = 259;
constexpr std::int32_t kFirst = 260;

model::Tokenizer make(const std::vector<std::string>& pieces, bool prefix = true) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<std::int32_t> types = {2, 3, 3};
  const char* digits = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">");
    types.push_back(6);
  }
  tokens.push_back("[TOOL]");
  types.push_back(4);
  for (const std::string& piece : pieces) {
    tokens.push_back(piece);
    types.push_back(1);
  }
  tests::GgufBytes scores;
  scores.number<std::uint32_t>(tests::GgufBuilder::kFloat32).number<std::uint64_t>(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) scores.number(-static_cast<float>(id));
  tests::GgufBuilder builder;
  builder.string("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", tokens);
  builder.int32s("tokenizer.ggml.token_type", types).uint32("tokenizer.ggml.bos_token_id", 1);
  builder.uint32("tokenizer.ggml.eos_token_id", 2);
  builder.boolean("tokenizer.ggml.add_space_prefix", prefix);
  builder.raw("tokenizer.ggml.scores", tests::GgufBuilder::kArray, scores);
  const auto bytes = builder.build();
  return model::Tokenizer(model::ModelFile::parse(bytes, "m.gguf"));
}

}  // namespace

BOOST_AUTO_TEST_CASE(neighbours_are_joined_by_the_best_score_and_leftmost_among_equals) {
  const auto tokenizer = make({"bc", "ab", "aa", "a", "b", "c", "▁", "▁a"});
  BOOST_TEST(tokenizer.encode("abc", SpecialTokens::kParse) == (Ids{kFirst + 7, kFirst}));
  BOOST_TEST(tokenizer.encode("baaa", SpecialTokens::kParse) ==
             (Ids{kFirst + 6, kFirst + 4, kFirst + 2, kFirst + 3}));
  BOOST_TEST(tokenizer.adds_bos());
}

BOOST_AUTO_TEST_CASE(what_is_in_no_piece_is_written_as_bytes_and_comes_back) {
  const auto tokenizer = make({"▁", "a"});
  BOOST_TEST(tokenizer.encode("a€", SpecialTokens::kParse) ==
             (Ids{kFirst, kFirst + 1, kFirstByte + 0xE2, kFirstByte + 0x82, kFirstByte + 0xAC}));
  BOOST_TEST(tokenizer.piece(kFirstByte + 0xE2) == "\xE2");
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    std::string text(random() % 48, ' ');
    for (char& character : text) character = static_cast<char>(random());
    BOOST_TEST(tokenizer.decode(tokenizer.encode(text, SpecialTokens::kParse)) == text);
  }
}

BOOST_AUTO_TEST_CASE(the_space_before_a_text_is_added_and_taken_away_only_where_it_is_wanted) {
  const auto with = make({"▁", "a", "▁a"});
  BOOST_TEST(with.encode("", SpecialTokens::kParse).empty());
  BOOST_TEST(with.encode("a a", SpecialTokens::kParse) == (Ids{kFirst + 2, kFirst + 2}));
  BOOST_TEST(with.encode("[TOOL]a</s>", SpecialTokens::kParse) == (Ids{kUser, kFirst + 2, 2}));
  for (const char* text : {"", " ", "a", " a", "  a ", "a[TOOL] a", "[TOOL]  <s>a"}) {
    BOOST_TEST(with.decode(with.encode(text, SpecialTokens::kParse)) == text);
    BOOST_TEST(with.decode(with.encode(text, SpecialTokens::kAsText)) == text);
  }
  const auto without = make({"▁", "a", "▁a"}, false);
  BOOST_TEST(without.encode("a a", SpecialTokens::kParse) == (Ids{kFirst + 1, kFirst + 2}));
  BOOST_TEST(without.decode(Ids{kFirst + 2}) == " a");
}

BOOST_AUTO_TEST_CASE(byte_tokens_streamed_one_by_one_never_show_half_a_character) {
  const auto tokenizer = make({"▁", "a"});
  const std::string text = "a€😀é漢a";
  std::string pending;
  std::string shown;
  for (const std::int32_t id : tokenizer.encode(text, SpecialTokens::kParse)) {
    pending += tokenizer.piece(id);
    const std::size_t whole = pending.size() - model::utf8::unfinished_suffix(pending);
    BOOST_TEST(model::utf8::valid_prefix(pending) == whole);
    shown += pending.substr(0, whole);
    pending.erase(0, whole);
  }
  BOOST_TEST(shown == " " + text);
}

// Hours in quadratic time, which the time limit of the test would end.
BOOST_AUTO_TEST_CASE(a_megabyte_of_one_character_is_joined_in_n_log_n) {
  std::vector<std::string> pieces = {"▁▁▁▁", "▁▁", "aaaa", "aa", "▁", "a"};
  const auto tokenizer = make(pieces, false);
  BOOST_TEST(tokenizer.encode(std::string(1 << 20, 'a'), SpecialTokens::kParse) ==
             Ids((1 << 20) / 4, kFirst + 2));
  BOOST_TEST(tokenizer.encode(std::string(1 << 20, ' '), SpecialTokens::kParse) ==
             Ids((1 << 20) / 4, kFirst));
}

BOOST_AUTO_TEST_CASE(a_piece_across_words_is_found_where_the_vocabulary_has_one) {
  const auto tokenizer = make({"a▁b", "a▁", "▁", "a", "b"}, false);
  BOOST_TEST(tokenizer.encode("a b", SpecialTokens::kParse) == (Ids{kFirst}));
}

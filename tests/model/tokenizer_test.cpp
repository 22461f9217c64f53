#include "model/tokenizer.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "config/user_error.hpp"
#include "model/bpe.hpp"
#include "model/model_file.hpp"
#include "model/pretokenizer.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;
using model::SpecialTokens;
using tests::GgufBuilder;

namespace {

using Ids = std::vector<std::int32_t>;

constexpr const char* kPretokenizers[] = {
    "gpt-2", "smollm", "qwen2", "llama-bpe", "deepseek-r1-qwen", "deepseek-llm"};

// Merging by definition: again and again the best pair of the whole list.
Ids merge_slowly(const std::vector<model::Merge>& merges, Ids tokens) {
  while (true) {
    std::size_t best_rank = merges.size();
    std::size_t best_at = 0;
    for (std::size_t at = 0; at + 1 < tokens.size(); ++at) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == tokens[at] && merges[rank].right == tokens[at + 1]) {
          best_rank = rank;
          best_at = at;
        }
      }
    }
    if (best_rank == merges.size()) return tokens;
    tokens[best_at] = merges[best_rank].merged;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

std::vector<std::string> split(std::string_view name, std::string_view text) {
  std::vector<std::string_view> views;
  model::Pretokenizer::make(name)->split(text, views);
  return {views.begin(), views.end()};
}

model::Tokenizer make(const GgufBuilder& builder) {
  const auto bytes = builder.build();
  return model::Tokenizer(model::ModelFile::parse(bytes, "m.gguf"));
}

std::string refusal(const GgufBuilder& builder) {
  try {
    make(builder);
  } catch (const config::UserError& error) {
    return error.what();
  }
  return {};
}

// A vocabulary of a few letters: wrong in what a test changes.
struct Small {
  std::string kind = "gpt2";
  std::string pre = "gpt-2";
  std::vector<std::string> tokens = {"a", "b", "ab", "<end>"};
  std::vector<std::int32_t> types = {1, 1, 1, 3};
  std::vector<std::string> merges = {"a b"};
  std::uint32_t eos = 3;

  GgufBuilder builder() const {
    GgufBuilder result;
    result.string("tokenizer.ggml.model", kind).string("tokenizer.ggml.pre", pre);
    result.strings("tokenizer.ggml.tokens", tokens).int32s("tokenizer.ggml.token_type", types);
    result.strings("tokenizer.ggml.merges", merges).uint32("tokenizer.ggml.eos_token_id", eos);
    return result;
  }
};

void check_refused(const Small& small, const std::string& words) {
  const std::string line = refusal(small.builder());
  BOOST_TEST(line.starts_with("m.gguf: metadata 'tokenizer.ggml."), line);
  BOOST_TEST(line.find(words) != std::string::npos, "'" << line << "' lacks '" << words << "'");
}

}  // namespace

BOOST_AUTO_TEST_CASE(merging_gives_what_its_definition_gives_on_random_rules_and_texts) {
  std::mt19937 random(20260101);
  for (int round = 0; round < 3000; ++round) {
    const std::int32_t letters = 2 + static_cast<std::int32_t>(random() % 3);
    std::vector<model::Merge> merges;
    std::int32_t vocab = letters;
    for (std::size_t left = random() % 12; left > 0; --left, ++vocab) {
      const auto any = [&] {
        return static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab));
      };
      merges.push_back({any(), any(), vocab});
    }
    Ids tokens(random() % 40);
    for (std::int32_t& token : tokens)
      token = static_cast<std::int32_t>(random() % static_cast<unsigned>(letters));
    Ids merged;
    model::MergeTable(merges, vocab).apply(tokens, merged);
    BOOST_TEST(merged == merge_slowly(merges, tokens));
  }
}

// Hours in quadratic time, which the time limit of the test would end.
BOOST_AUTO_TEST_CASE(a_megabyte_of_one_character_is_merged_in_n_log_n) {
  std::vector<std::string> tokens = {"a"};
  std::vector<std::string> merges;
  for (int doubling = 0; doubling < 6; ++doubling) {
    merges.push_back(tokens.back() + " " + tokens.back());
    tokens.push_back(tokens.back() + tokens.back());
  }
  Small small;
  small.tokens = tokens;
  small.types.assign(tokens.size(), 1);
  small.merges = merges;
  small.eos = 0;
  const model::Tokenizer tokenizer = make(small.builder());
  const Ids ids = tokenizer.encode(std::string(1 << 20, 'a'), SpecialTokens::kParse);
  BOOST_TEST(ids == Ids((1 << 20) / 64, 6), "all are the longest token");
}

BOOST_AUTO_TEST_CASE(pretokenizing_a_megabyte_of_white_space_or_letters_is_linear) {
  for (const char* name : kPretokenizers) {
    for (const char* unit : {" ", "\n", " \n", "\t", "x", "!", "\xC2\xA0", "'", "é"}) {
      std::string text;
      while (text.size() < (1 << 20)) text += unit;
      std::size_t total = 0;
      for (const std::string& piece : split(name, text + "x")) total += piece.size();
      BOOST_TEST(total == text.size() + 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(smollm_cuts_every_digit_and_ends_white_space_before_it) {
  using Pieces = std::vector<std::string>;
  BOOST_TEST(split("smollm", " 12  3x") == (Pieces{" ", "1", "2", "  ", "3", "x"}));
  BOOST_TEST(split("gpt-2", " 12  3x") == (Pieces{" 12", " ", " 3", "x"}));
  BOOST_TEST(split("qwen2", " 12  3x") == (Pieces{" ", "1", "2", " ", " ", "3", "x"}));
  BOOST_TEST(split("smollm", "it's  IT'S") == (Pieces{"it", "'s", " ", " IT", "'", "S"}));
  BOOST_TEST(split("qwen2", "it's  IT'S\r\n\n .") ==
             (Pieces{"it", "'s", " ", " IT", "'S", "\r\n\n", " ."}));
}

BOOST_AUTO_TEST_CASE(llama_bpe_and_deepseek_cut_as_their_patterns_say) {
  using Pieces = std::vector<std::string>;
  BOOST_TEST(split("llama-bpe", " 12345  3x") == (Pieces{" ", "123", "45", " ", " ", "3", "x"}));
  BOOST_TEST(split("llama3", "it'S\r\n\n .") == (Pieces{"it", "'S", "\r\n\n", " ."}));
  BOOST_TEST(split("deepseek-r1-qwen", "12 x") == (Pieces{"1", "2", " x"}));
  BOOST_TEST(split("deepseek-llm", "a1 b\n\n漢字！ x  ") ==
             (Pieces{"a", "1", " b", "\n", "\n", "漢字", "！", " x", "  "}));
}

BOOST_AUTO_TEST_CASE(the_shortcut_for_words_cuts_as_the_patterns_do_on_random_texts) {
  const std::vector<std::string> units = {
      "a",  "Z", "the", " ", "  ", "'",      "'s",     "'LL",    "1", "\n", "\r",
      "\t", ".", "é",   "ſ", "漢", "\u0301", "\u00a0", "\u3000", "½", "😀",  "\xFF"};
  std::mt19937 random(11);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (std::size_t left = random() % 24; left > 0; --left) text += units[random() % units.size()];
    for (const char* name : kPretokenizers) {
      std::vector<std::string_view> slow;
      model::Pretokenizer::make(name)->split_by_patterns(text, slow);
      BOOST_TEST(split(name, text) == std::vector<std::string>(slow.begin(), slow.end()));
    }
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_are_encoded_and_come_back_unchanged) {
  const model::Tokenizer tokenizer = make(GgufBuilder().byte_tokenizer({"<end>"}));
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string text(random() % 64, '\0');
    for (char& character : text) character = static_cast<char>(random());
    const Ids ids = tokenizer.encode(text, SpecialTokens::kParse);
    BOOST_TEST(ids.size() == text.size());
    BOOST_TEST(tokenizer.decode(ids) == text);
  }
  BOOST_TEST(split("qwen2", "a\xFF\xC3 \xE2\x82") ==
             (std::vector<std::string>{"a", "\xFF\xC3", " ", "\xE2\x82"}));
}

BOOST_AUTO_TEST_CASE(the_longest_special_token_that_starts_first_is_taken) {
  const auto builder = GgufBuilder().byte_tokenizer({"<end>", "<en", "<end>>", "d>>"});
  const model::Tokenizer tokenizer = make(builder);
  BOOST_TEST(tokenizer.encode("<end>>", SpecialTokens::kParse) == (Ids{258}));
  BOOST_TEST(tokenizer.encode("<end> <en", SpecialTokens::kParse) == (Ids{256, ' ', 257}));
  BOOST_TEST(tokenizer.encode("<e<end>d>>", SpecialTokens::kParse) == (Ids{'<', 'e', 256, 259}));
  BOOST_TEST(tokenizer.encode("<en", SpecialTokens::kAsText) == (Ids{'<', 'e', 'n'}));
  BOOST_TEST(tokenizer.decode(Ids{256, 'x', 258}) == "<end>x<end>>");
  BOOST_TEST(tokenizer.is_end_of_generation(256));
  BOOST_TEST(!tokenizer.is_end_of_generation(257));
}

BOOST_AUTO_TEST_CASE(a_byte_without_a_token_is_left_out_as_the_original_tokenizers_do) {
  const model::Tokenizer tokenizer = make(Small().builder());
  BOOST_TEST(tokenizer.encode("a\x01"
                              "b\xFFzab",
                              SpecialTokens::kParse) == (Ids{0, 1, 2}));
  BOOST_TEST(tokenizer.encode("zzz", SpecialTokens::kParse).empty());
}

BOOST_AUTO_TEST_CASE(only_control_tokens_of_a_known_name_end_an_answer) {
  Small small;
  small.tokens = {"a", "b", "ab", "<end>", "<|im_end|>", "</s>"};
  small.types = {1, 1, 1, 3, 3, 1};
  BOOST_TEST(make(small.builder()).end_of_generation() == (Ids{3, 4}));
}

BOOST_AUTO_TEST_CASE(several_threads_may_encode_at_once) {
  const model::Tokenizer tokenizer = make(GgufBuilder().byte_tokenizer({"<end>"}));
  std::vector<Ids> results(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& result : results) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i)
          result = tokenizer.encode("it's 12 é<end>  \xFF", SpecialTokens::kParse);
      });
    }
  }
  for (const Ids& result : results) BOOST_TEST(result == results[0]);
  BOOST_TEST(results[0].size() == 14U);
}

BOOST_AUTO_TEST_CASE(vocabularies_that_are_not_supported_or_contradict_themselves_are_refused) {
  BOOST_TEST(refusal(Small().builder()).empty());
  Small small;
  small.kind = "bert";
  check_refused(small,
                "'bert', which is not supported: give a model with a byte-level BPE tokenizer");
  small.kind = "llama";
  check_refused(small, "scores' is missing");
  small = {};
  small.pre = "tekken";
  check_refused(small,
                "'tekken', which is not supported: give a model with one of smollm, qwen2, ");
  small = {};
  small.types.pop_back();
  check_refused(small, "has 3 entries for 4 tokens");
  small = {};
  small.eos = 4;
  check_refused(small, "eos_token_id' is 4, beyond the 4 tokens");
  small = {};
  small.tokens.clear();
  check_refused(small, "tokens' has 0 entries");
  for (const char* merge : {"", "a", " ", "a ", " a", "a a", "x y", "ab"}) {
    small = {};
    small.merges = {"a b", merge};
    check_refused(small, "merges' has entry 1");
  }
}

// What is read, and what is refused, of tokenizer.json and tokenizer_config.json.
#include "model/hf_tokenizer.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "config/user_error.hpp"
#include "model/hf_pretokenizer.hpp"
#include "model/model_file.hpp"
#include "tests/model/hf_folder_copy.hpp"

using namespace troupe;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Folder = tests::HfFolderCopy;

std::string text_of(const model::Metadata& metadata, const std::string& key) {
  return std::get<std::string>(metadata.at(key));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hf_tokenizer)

BOOST_AUTO_TEST_CASE(pre_tokenizers_are_known_by_their_patterns) {
  const auto name_of = [](const json& fields) {
    return model::known_pretokenizer(model::read_json(fields.dump(), "t")).value_or("none");
  };
  const auto split = [](const std::string& regex) -> json {
    return {{"type", "Split"},
            {"pattern", {{"Regex", regex}}},
            {"behavior", "Isolated"},
            {"invert", false}};
  };
  const auto sequence = [](const json& steps) -> json {
    return {{"type", "Sequence"}, {"pretokenizers", steps}};
  };
  const json by_pattern = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const std::string head = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
  const std::string tail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  BOOST_TEST(name_of(by_pattern) == "gpt-2");
  BOOST_TEST(name_of(sequence({digits, by_pattern})) == "smollm");
  BOOST_TEST(name_of(sequence({split(head + R"(\p{N})" + tail), bytes})) == "qwen2");
  BOOST_TEST(name_of(sequence({split(head + R"(\p{N}{1,3})" + tail), bytes})) == "llama-bpe");
  BOOST_TEST(name_of(sequence({split("[\r\n]"),
                               split(R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓ]+)"),
                               split(R"(\s?[!-/:-~！-／]+)"),
                               split(R"(\s+$)"),
                               split("[一-龥ࠀ-一가-퟿]+"),
                               digits,
                               bytes})) == "deepseek-llm");
  BOOST_TEST(name_of(sequence({split(R"(\p{N}{1,2})"), bytes})) == "none");
  BOOST_TEST(name_of(bytes) == "none");
  BOOST_TEST(name_of({{"type", "ByteLevel"}, {"add_prefix_space", true}}) == "none");
  BOOST_TEST(name_of(sequence(json::array())) == "none");
}

BOOST_AUTO_TEST_CASE(sentence_pieces_get_the_places_of_their_merges_as_scores) {
  const std::string space = "\xE2\x96\x81";
  const json fields = {
      {"added_tokens", {{{"id", 0}, {"content", "<unk>"}, {"special", true}}}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers",
         {{{"type", "Prepend"}, {"prepend", space}},
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space}}}}}},
      {"model",
       {{"type", "BPE"},
        {"byte_fallback", true},
        {"vocab", {{"<unk>", 0}, {"<0x0A>", 1}, {"a", 2}, {"b", 3}, {"ab", 4}, {"aab", 5}}},
        {"merges", {"a b", "a ab"}}}}};
  const model::JsonTree config = model::read_json(R"({"unk_token":"<unk>"})", "c");
  const model::Metadata metadata =
      model::read_hf_tokenizer(model::read_json(fields.dump(), "t"), &config, 8, "t");
  BOOST_TEST(text_of(metadata, "tokenizer.ggml.model") == "llama");
  BOOST_TEST(std::get<bool>(metadata.at("tokenizer.ggml.add_space_prefix")));
  const auto& scores = std::get<std::vector<double>>(metadata.at("tokenizer.ggml.scores"));
  BOOST_TEST(scores == (std::vector<double>{-1e9, -1e9, -1e9, -1e9, 0, -1, -1e9, -1e9}),
             boost::test_tools::per_element());
  const auto& types = std::get<std::vector<std::int64_t>>(metadata.at("tokenizer.ggml.token_type"));
  BOOST_TEST(types == (std::vector<std::int64_t>{2, 6, 1, 1, 1, 1, 5, 5}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_tokenizer_that_would_give_other_ids_is_refused) {
  Folder folder("llama");
  const std::string file = "tokenizer.json";
  folder.check_refused(
      file, [](json& t) { t["model"]["type"] = "Unigram"; }, "'Unigram'");
  folder.check_refused(
      file, [](json& t) { t["pre_tokenizer"] = nullptr; }, "none that is known");
  folder.check_refused(
      file,
      [](json& t) {
        t["normalizer"] = {{"type", "NFKC"}};
      },
      "normalizer");
  folder.check_refused(
      file, [](json& t) { t["model"]["vocab"]["extra"] = 5; }, "id 5 twice");
  folder.check_refused(
      file, [](json& t) { t["model"]["vocab"]["extra"] = 408; }, "408 rows");
  folder.check_refused(
      file, [](json& t) { t["model"]["vocab"]["extra"] = -1; }, "not 0 to");
  folder.check_refused(
      file, [](json& t) { t["model"]["vocab"]["extra"] = 1ULL << 40; }, "not 0 to");
  folder.check_refused(
      file, [](json& t) { t["model"]["merges"][3] = 7; }, "no pair of tokens");
  folder.check_refused(
      file, [](json& t) { t["added_tokens"][0]["id"] = 9; }, "names token 9");
  folder.check_refused(
      file, [](json& t) { t["model"].erase("vocab"); }, "model.vocab");
  for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
    folder.check_refused(
        file,
        [&](json& t) { t["added_tokens"][3][flag] = true; },
        std::string("<tool>' with ") + flag);
  }
  BOOST_TEST(folder.refusal() == "");
}

BOOST_AUTO_TEST_CASE(a_normalizer_without_steps_counts_as_none) {
  Folder folder("llama");
  json fields = folder.read("tokenizer.json");
  fields["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  folder.write("tokenizer.json", fields.dump());
  BOOST_TEST(folder.refusal() == "");
}

BOOST_AUTO_TEST_CASE(the_template_of_a_text_says_which_token_begins_it_also_without_a_config) {
  Folder folder("llama");
  fs::remove(folder.path / "tokenizer_config.json");
  const auto metadata = [&] { return model::ModelFile::open(folder.path).metadata(); };
  BOOST_TEST(std::get<bool>(metadata().at("tokenizer.ggml.add_bos_token")));
  BOOST_TEST(std::get<std::uint64_t>(metadata().at("tokenizer.ggml.bos_token_id")) == 0U);
  json fields = folder.read("tokenizer.json");
  const json bytes = {{"type", "ByteLevel"}};
  fields["post_processor"] = {{"type", "Sequence"},
                              {"processors", {bytes, fields["post_processor"]}}};
  folder.write("tokenizer.json", fields.dump());
  BOOST_TEST(std::get<bool>(metadata().at("tokenizer.ggml.add_bos_token")));
  fields["post_processor"] = bytes;
  folder.write("tokenizer.json", fields.dump());
  BOOST_TEST(!std::get<bool>(metadata().at("tokenizer.ggml.add_bos_token")));
}

BOOST_AUTO_TEST_CASE(a_post_processor_that_adds_more_than_a_token_before_is_refused) {
  Folder folder("llama");
  const std::string file = "tokenizer.json";
  const auto check = [&](const auto& change, const std::string& words) {
    folder.check_refused(
        file, [&](json& t) { change(t["post_processor"]); }, words);
  };
  check([](json& p) { p["single"].push_back(p["single"][0]); }, "does not end at the text");
  check([](json& p) { std::swap(p["single"][0], p["single"][1]); }, "does not end at the text");
  check([](json& p) { p["single"][0] = p["single"][1]; }, "something else than a token");
  check([](json& p) { p["special_tokens"]["<s>"]["ids"] = {0, 1}; }, "something else than a token");
  check([](json& p) { p["special_tokens"]["<s>"]["ids"] = {2}; }, "not the bos_token");
  check([](json& p) { p["type"] = "RobertaProcessing"; }, "'RobertaProcessing'");
  check([](json& p) { p = {{"type", "Sequence"}, {"processors", {p, p}}}; }, "two templates");
  BOOST_TEST(folder.refusal() == "");
}

BOOST_AUTO_TEST_CASE(a_metaspace_that_splits_or_has_no_known_scheme_is_refused) {
  const auto read = [](const json& step) {
    const json fields = {{"pre_tokenizer", step},
                         {"model",
                          {{"type", "BPE"},
                           {"byte_fallback", true},
                           {"vocab", {{"a", 0}}},
                           {"merges", json::array()}}}};
    return model::read_hf_tokenizer(model::read_json(fields.dump(), "t"), nullptr, 1, "t");
  };
  json step = {{"type", "Metaspace"},
               {"replacement", "\xE2\x96\x81"},
               {"prepend_scheme", "first"},
               {"split", false}};
  BOOST_TEST(text_of(read(step), "troupe.add_space_prefix") == "at start");
  step["prepend_scheme"] = "last";
  BOOST_CHECK_THROW(read(step), config::UserError);
  step["prepend_scheme"] = "first";
  step.erase("split");
  BOOST_CHECK_THROW(read(step), config::UserError);
}

BOOST_AUTO_TEST_CASE(a_special_token_that_is_none_names_the_file_that_has_it) {
  Folder folder("llama");
  folder.check_refused(
      "tokenizer_config.json",
      [](json& c) { c["bos_token"] = "<x>"; },
      "no token '<x>', which tokenizer_config.json gives as bos_token");
}

BOOST_AUTO_TEST_SUITE_END()

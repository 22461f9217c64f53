// What is read, and what is refused, of config.json, tokenizer.json and the files of a folder.
#include "model/hf_folder.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "config/user_error.hpp"
#include "model/architecture.hpp"
#include "model/hf_config.hpp"
#include "model/hf_names.hpp"
#include "model/hf_pretokenizer.hpp"
#include "model/hf_tokenizer.hpp"
#include "model/model_file.hpp"
#include "model/precision.hpp"
#include "tests/support/model_files.hpp"

using namespace troupe;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// A copy of one of the tiny folders, whose files a test may change.
struct Folder {
  explicit Folder(const std::string& name) {
    fs::remove_all(path);
    fs::copy(tests::repository() / "tests/model/data/hf" / name, path);
  }

  ~Folder() { fs::remove_all(path); }

  json read(const std::string& file) const {
    std::ifstream stream(path / file);
    return json::parse(stream);
  }

  void write(const std::string& file, const std::string& text) const {
    std::ofstream(path / file) << text;
  }

  // Empty when the folder is accepted.
  std::string refusal() const {
    try {
      model::read_architecture(model::ModelFile::open(path));
    } catch (const config::UserError& error) {
      return error.what();
    }
    return {};
  }

  void check_refused(const std::string& words) const {
    const std::string line = refusal();
    BOOST_TEST(line.starts_with(path.string()), line);
    BOOST_TEST(line.find(words) != std::string::npos, "'" << line << "' lacks '" << words << "'");
    BOOST_TEST(line.find('\n') == std::string::npos);
  }

  // With `change` made to a JSON file, the folder is refused.
  template <typename Change>
  void check_refused(const std::string& file, const Change& change, const std::string& words) {
    const json before = read(file);
    json after = before;
    change(after);
    write(file, after.dump());
    check_refused(words);
    write(file, before.dump());
  }

  fs::path path =
      fs::temp_directory_path() / ("troupe_hf_folder_test_" + std::to_string(::getpid()));
};

json llama_config() {
  return {{"model_type", "llama"},
          {"hidden_size", 64},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"intermediate_size", 96},
          {"max_position_embeddings", 131072},
          {"rope_theta", 500000.0},
          {"num_key_value_heads", 2}};
}

model::HfConfig config_of(const json& fields) {
  return model::read_hf_config(model::read_json(fields.dump(), "config.json"), "config.json");
}

std::string text_of(const model::Metadata& metadata, const std::string& key) {
  return std::get<std::string>(metadata.at(key));
}

double number_of(const model::Metadata& metadata, const std::string& key) {
  return std::get<double>(metadata.at(key));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hf_folder)

BOOST_AUTO_TEST_CASE(model_types_become_the_architectures_of_gguf) {
  const std::pair<const char*, const char*> kTypes[] = {
      {"llama", "llama"}, {"mistral", "llama"}, {"qwen2", "qwen2"}, {"qwen3", "qwen3"}};
  for (const auto& [type, architecture] : kTypes) {
    json fields = llama_config();
    fields["model_type"] = type;
    BOOST_TEST(config_of(fields).family == architecture);
  }
  json fields = llama_config();
  fields["model_type"] = "gemma";
  BOOST_CHECK_EXCEPTION(config_of(fields), config::UserError, [](const auto& error) {
    return std::string(error.what()).find("'gemma', which is not supported") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(rope_scalings_have_the_keys_of_gguf_in_both_spellings) {
  for (const char* type : {"linear", "dynamic", "yarn"}) {
    for (const bool is_new : {false, true}) {
      json fields = llama_config();
      fields[is_new ? "rope_parameters" : "rope_scaling"] = {
          {is_new ? "rope_type" : "type", type},
          {"factor", 4.0},
          {"original_max_position_embeddings", 8192}};
      const model::Metadata metadata = config_of(fields).metadata;
      BOOST_TEST(text_of(metadata, "llama.rope.scaling.type") == type);
      BOOST_TEST(number_of(metadata, "llama.rope.scaling.factor") == 4.0);
      BOOST_TEST(number_of(metadata, "llama.rope.freq_base") == 500000.0);
      BOOST_TEST(metadata.contains("llama.rope.scaling.original_context_length") ==
                 (std::string(type) != "linear"));
    }
  }
  json fields = llama_config();
  fields["rope_scaling"] = {{"type", "longrope"}, {"factor", 4.0}};
  BOOST_CHECK_THROW(config_of(fields), config::UserError);
}

// Expected: transformers 5.23, ROPE_INIT_FUNCTIONS["llama3"] for heads of 16 values at base 500000.
BOOST_AUTO_TEST_CASE(llama3_scaling_stretches_long_waves_only) {
  json fields = llama_config();
  fields["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  const std::vector<float> factors = config_of(fields).rope_factors;
  const std::vector<float> expected = {1.0F, 1.0F, 1.0F, 1.0F, 2.69453F, 8.0F, 8.0F, 8.0F};
  BOOST_REQUIRE(factors.size() == expected.size());
  for (std::size_t i = 0; i < factors.size(); ++i)
    BOOST_TEST(factors[i] == expected[i], boost::test_tools::tolerance(1e-5F));
}

BOOST_AUTO_TEST_CASE(sliding_windows_count_only_where_they_are_used) {
  json fields = llama_config();
  fields["sliding_window"] = 4096;
  fields["model_type"] = "qwen2";
  BOOST_TEST(!config_of(fields).metadata.contains("qwen2.attention.sliding_window"));
  fields["use_sliding_window"] = true;
  BOOST_TEST(config_of(fields).metadata.contains("qwen2.attention.sliding_window"));
  fields["model_type"] = "mistral";
  BOOST_TEST(config_of(fields).metadata.contains("llama.attention.sliding_window"));
}

BOOST_AUTO_TEST_CASE(every_tensor_of_the_families_has_a_name_in_gguf) {
  BOOST_TEST(*model::gguf_tensor_name("model.embed_tokens.weight", 2) == "token_embd.weight");
  BOOST_TEST(*model::gguf_tensor_name("lm_head.weight", 2) == "output.weight");
  BOOST_TEST(*model::gguf_tensor_name("model.layers.1.self_attn.k_norm.weight", 2) ==
             "blk.1.attn_k_norm.weight");
  BOOST_TEST(*model::gguf_tensor_name("model.layers.0.self_attn.rotary_emb.inv_freq", 2) == "");
  for (const char* unknown : {"model.layers.2.mlp.up_proj.weight",
                              "model.layers.01.mlp.up_proj.weight",
                              "model.layers.-1.mlp.up_proj.weight",
                              "model.layers.1",
                              "model.layers.1.",
                              "model.layers.",
                              "model.layers.99999999999999999999.mlp.up_proj.weight",
                              "transformer.wte.weight"})
    BOOST_TEST(!model::gguf_tensor_name(unknown, 2), unknown);
}

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
  folder.check_refused(
      file, [](json& t) { t["model"]["ignore_merges"] = true; }, "model.ignore_merges");
  BOOST_TEST(folder.refusal() == "");
}

BOOST_AUTO_TEST_CASE(a_config_that_is_not_supported_names_its_field) {
  Folder folder("llama");
  const std::string file = "config.json";
  folder.check_refused(
      file, [](json& c) { c["model_type"] = "gpt_neox"; }, "'gpt_neox'");
  folder.check_refused(
      file, [](json& c) { c["hidden_act"] = "gelu"; }, "hidden_act");
  folder.check_refused(
      file, [](json& c) { c["quantization_config"] = json::object(); }, "quantised");
  folder.check_refused(
      file, [](json& c) { c.erase("hidden_size"); }, "hidden_size is missing");
  folder.check_refused(
      file, [](json& c) { c["num_attention_heads"] = 0; }, "num_attention_heads");
  folder.check_refused(
      file, [](json& c) { c["num_hidden_layers"] = 1; }, "none of a model");
  folder.check_refused(
      file, [](json& c) { c["tie_word_embeddings"] = false; }, "output.weight");
  folder.check_refused(
      file, [](json& c) { c["attention_bias"] = true; }, "attn_q.bias");
  folder.check_refused(
      file, [](json& c) { c["eos_token_id"] = "x"; }, "eos_token_id");
}

BOOST_AUTO_TEST_CASE(an_index_may_not_lead_out_of_the_folder_nor_disagree_with_its_shards) {
  Folder folder("llama");
  const std::string file = "model.safetensors.index.json";
  const std::string norm = "model.norm.weight";
  for (const char* name : {"../x.safetensors", "/etc/passwd", "..", ".", "", "a/b"}) {
    folder.check_refused(
        file, [&](json& i) { i["weight_map"][norm] = name; }, "not in the folder");
  }
  const auto nul = std::string("a\0b", 3);
  folder.check_refused(
      file, [&](json& i) { i["weight_map"][norm] = nul; }, "not in the folder");
  folder.check_refused(
      file, [&](json& i) { i["weight_map"][norm] = "a"; }, "lacks the file 'a'");
  folder.check_refused(
      file, [&](json& i) { i["weight_map"][norm] = 4; }, "names no file");
  folder.check_refused(
      file, [&](json& i) { i["weight_map"].erase(norm); }, "does not say");
  folder.check_refused(
      file,
      [](json& i) { i["weight_map"]["more"] = "model-00001-of-00003.safetensors"; },
      "lacks tensor 'more'");
  folder.check_refused(
      file, [](json& i) { i.erase("weight_map"); }, "weight_map");
}

BOOST_AUTO_TEST_CASE(files_that_are_missing_or_no_json_are_named) {
  Folder folder("llama");
  folder.write("generation_config.json", "{\"a\":1,\"a\":2}");
  folder.check_refused("'a' twice");
  folder.write("generation_config.json", std::string(100, '['));
  folder.check_refused("deeper");
  fs::remove(folder.path / "generation_config.json");
  fs::remove(folder.path / "tokenizer_config.json");
  BOOST_TEST(folder.refusal() == "");
  fs::remove(folder.path / "tokenizer.json");
  folder.check_refused("without tokenizer.json");
  fs::remove(folder.path / "model.safetensors.index.json");
  folder.check_refused("weights in safetensors");
  fs::remove(folder.path / "config.json");
  folder.check_refused("without config.json");
}

BOOST_AUTO_TEST_CASE(links_inside_a_folder_are_followed_and_other_things_refused) {
  Folder folder("qwen2");
  const fs::path shard = folder.path / "model.safetensors";
  fs::rename(shard, folder.path / "blob");
  fs::create_symlink("blob", shard);
  BOOST_TEST(folder.refusal() == "");
  fs::remove(shard);
  fs::create_directory(shard);
  folder.check_refused("not a regular file");
}

BOOST_AUTO_TEST_CASE(a_folder_gives_the_model_its_name_and_keeps_its_packed_weights) {
  Folder folder("qwen2");
  const std::string name = folder.path.filename().string();
  BOOST_TEST(model::folder_name(folder.path) == name);
  BOOST_TEST(model::folder_name(folder.path / "") == name);
  BOOST_TEST(model::folder_name(folder.path / ".") == name);
  BOOST_TEST(model::packed_file_of(folder.path, model::Precision::kDefault) ==
             folder.path / "weights.default.troupe");
}

BOOST_AUTO_TEST_SUITE_END()

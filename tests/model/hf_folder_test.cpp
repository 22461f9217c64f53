// What is read, and what is refused, of config.json and the files of a folder.
#include "model/hf_folder.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "config/user_error.hpp"
#include "model/hf_config.hpp"
#include "model/hf_names.hpp"
#include "model/model_file.hpp"
#include "model/precision.hpp"
#include "tests/model/hf_folder_copy.hpp"

using namespace troupe;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Folder = tests::HfFolderCopy;

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

BOOST_AUTO_TEST_CASE(biases_that_the_config_does_not_announce_are_refused) {
  for (const char* type : {"llama", "mistral", "qwen2", "qwen3"}) {
    json fields = llama_config();
    fields["model_type"] = type;
    const bool has_flag = type == std::string("llama") || type == std::string("qwen3");
    BOOST_TEST(config_of(fields).attention_bias == (type == std::string("qwen2")));
    BOOST_TEST(!config_of(fields).output_bias);
    fields["attention_bias"] = true;
    BOOST_TEST(config_of(fields).output_bias == has_flag);
    BOOST_TEST(config_of(fields).attention_bias == (type != std::string("mistral")));
  }
  Folder folder("qwen2");
  folder.check_refused(
      "config.json", [](json& c) { c["model_type"] = "llama"; }, "does not announce");
  folder.check_refused(
      "config.json",
      [](json& c) {
        c["model_type"] = "llama";
        c["attention_bias"] = true;
      },
      "lacks the tensor that GGUF calls blk.0.attn_output.bias");
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
  folder.check_refused("model.safetensors: is not a regular file: put one there");
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

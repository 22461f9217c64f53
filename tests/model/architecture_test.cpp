#include "model/architecture.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "config/user_error.hpp"
#include "model/model_file.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/model_files.hpp"

using namespace troupe;
using model::Architecture;
using tests::GgufBuilder;

namespace {

using Value = std::variant<std::uint32_t, float, std::string>;

// A small valid model of which a test changes one key.
struct Description {
  std::string family = "llama";
  std::map<std::string, Value> keys = {{"block_count", 2U},
                                       {"embedding_length", 8U},
                                       {"feed_forward_length", 16U},
                                       {"context_length", 64U},
                                       {"attention.head_count", 4U},
                                       {"attention.head_count_kv", 2U},
                                       {"attention.layer_norm_rms_epsilon", 1e-5F}};
  std::vector<std::uint64_t> embedding = {8, 3};
  std::vector<std::string> tokens = {"a", "b", "c"};

  Architecture read() const {
    GgufBuilder builder;
    builder.string("general.architecture", family);
    for (const auto& [name, value] : keys) {
      const std::string key = family + "." + name;
      if (const auto* count = std::get_if<std::uint32_t>(&value)) builder.uint32(key, *count);
      if (const auto* number = std::get_if<float>(&value)) builder.float32(key, *number);
      if (const auto* text = std::get_if<std::string>(&value)) builder.string(key, *text);
    }
    builder.strings("tokenizer.ggml.tokens", tokens);
    const std::vector<float> values(64);
    builder.tensor_f32("token_embd.weight", embedding, values);
    const auto bytes = builder.build();
    return model::read_architecture(model::ModelFile::parse(bytes, "dir/tiny.gguf"));
  }
};

void check_refused(const Description& description, const std::string& words) {
  std::string line = "(accepted)";
  try {
    description.read();
  } catch (const config::UserError& error) {
    line = error.what();
  }
  BOOST_TEST(line.starts_with("dir/tiny.gguf: "), line);
  BOOST_TEST(line.find(words) != std::string::npos, "'" << line << "' lacks '" << words << "'");
}

void check_key_refused(const std::string& key, const Value& value, const std::string& words) {
  Description description;
  description.keys[key] = value;
  check_refused(description, words);
}

}  // namespace

BOOST_AUTO_TEST_CASE(smollm2_has_the_shape_that_its_file_states) {
  const auto file = model::ModelFile::open(tests::model_file(tests::kSmolLm2));
  const Architecture a = model::read_architecture(file);
  BOOST_TEST(a.family == "llama");
  BOOST_TEST(a.display_name == "Smollm2 135M 8k Lc100K Mix1 Ep2");
  BOOST_TEST(a.layers == 30);
  BOOST_TEST(a.hidden == 576);
  BOOST_TEST(a.heads == 9);
  BOOST_TEST(a.kv_heads == 3);
  BOOST_TEST(a.head_dim == 64);
  BOOST_TEST(a.feed_forward == 1536);
  BOOST_TEST(a.vocab == 49152);
  BOOST_TEST(a.context_max == 8192);
  BOOST_TEST(a.rope_base == 100000.0F);
  BOOST_TEST(a.rope_interleaved);
  BOOST_TEST(a.norm_epsilon == 1e-5F);
}

BOOST_AUTO_TEST_CASE(qwen_coder_has_the_shape_that_its_file_states) {
  const auto file = model::ModelFile::open(tests::model_file(tests::kQwenCoder));
  const Architecture a = model::read_architecture(file);
  BOOST_TEST(a.family == "qwen2");
  BOOST_TEST(a.layers == 24);
  BOOST_TEST(a.hidden == 896);
  BOOST_TEST(a.heads == 14);
  BOOST_TEST(a.kv_heads == 2);
  BOOST_TEST(a.head_dim == 64);
  BOOST_TEST(a.feed_forward == 4864);
  BOOST_TEST(a.vocab == 151936);
  BOOST_TEST(a.context_max == 32768);
  BOOST_TEST(a.rope_base == 1e6F);
  BOOST_TEST(!a.rope_interleaved);
  BOOST_TEST(a.norm_epsilon == 1e-6F);
}

BOOST_AUTO_TEST_CASE(qwen3_norms_heads_whose_width_is_its_own) {
  Description description;
  description.family = "qwen3";
  description.keys["attention.key_length"] = 6U;
  description.keys["attention.value_length"] = 6U;
  const Architecture a = description.read();
  BOOST_TEST(a.query_key_norms);
  BOOST_TEST(a.head_dim == 6);
  BOOST_TEST(!a.rope_interleaved);
}

BOOST_AUTO_TEST_CASE(what_a_file_leaves_out_has_the_default_of_the_format) {
  Description description;
  description.keys.erase("attention.head_count_kv");
  const Architecture a = description.read();
  BOOST_TEST(a.kv_heads == 4);
  BOOST_TEST(a.head_dim == 2);
  BOOST_TEST(a.rope_base == 10000.0F);
  BOOST_TEST(a.display_name == "tiny");
  BOOST_TEST(a.vocab == 3);
}

BOOST_AUTO_TEST_CASE(every_required_key_is_missed_by_name) {
  for (const auto& [key, value] : Description().keys) {
    if (key == "attention.head_count_kv") continue;
    Description description;
    description.keys.erase(key);
    check_refused(description, "metadata 'llama." + key + "' is missing");
  }
}

BOOST_AUTO_TEST_CASE(numbers_out_of_range_are_refused_by_name) {
  for (const auto& [key, value] : Description().keys) {
    if (std::holds_alternative<float>(value)) continue;
    check_key_refused(key, 0U, "metadata 'llama." + key + "' is 0");
    check_key_refused(key, 0xFFFFFFFFU, "metadata 'llama." + key + "' is 4294967295");
  }
  for (const float bad : {0.0F,
                          -1.0F,
                          1.0F,
                          std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    check_key_refused("attention.layer_norm_rms_epsilon", bad, "layer_norm_rms_epsilon' is");
  }
  check_key_refused("rope.freq_base", 0.0F, "rope.freq_base' is 0");
  check_key_refused(
      "rope.freq_base", std::numeric_limits<float>::quiet_NaN(), "rope.freq_base' is");
}

BOOST_AUTO_TEST_CASE(heads_that_do_not_fit_together_are_refused) {
  check_key_refused("attention.head_count_kv", 3U, "does not divide the 4 heads");
  check_key_refused("attention.head_count", 3U, "which does not divide");
  check_key_refused("attention.head_count", 6U, "does not divide the width 8");
  check_key_refused("attention.head_count", 8U, "heads of 1 values");
  check_key_refused("rope.dimension_count", 1U, "only models with the two equal");
  check_key_refused("attention.value_length", 4U, "only models with the two equal");
}

BOOST_AUTO_TEST_CASE(features_that_the_engine_lacks_are_refused_with_what_it_has) {
  check_key_refused("expert_count", 8U, "give a dense model");
  check_key_refused("attention.sliding_window", 32U, "full attention");
  Description gemma;
  gemma.family = "gemma3";
  check_refused(gemma,
                "architecture 'gemma3' is not supported: give a model of architecture llama, qwen2 "
                "or qwen3");
  Description harmless;
  harmless.keys["rope.scaling.type"] = "none";
  harmless.keys["attention.sliding_window"] = 64U;
  BOOST_TEST(harmless.read().layers == 2);
}

BOOST_AUTO_TEST_CASE(an_embedding_that_does_not_match_width_or_vocabulary_is_refused) {
  Description description;
  description.embedding = {8, 4};
  check_refused(description, "has 4 rows for the 3 entries of 'tokenizer.ggml.tokens'");
  description.embedding = {4, 3};
  check_refused(description, "does not have rows of 8 values");
  description.embedding = {8};
  check_refused(description, "does not have rows of 8 values");
}

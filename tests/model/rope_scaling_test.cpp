#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "config/user_error.hpp"
#include "model/architecture.hpp"
#include "model/model_file.hpp"
#include "model/rope_frequencies.hpp"
#include "tests/support/gguf_builder.hpp"

namespace troupe::model {
namespace {

using Value = std::variant<std::uint32_t, float, std::string>;

// A model of heads of 128 values at base 1e6, as Qwen2.5 has them, with one scaling.
struct Description {
  std::map<std::string, Value> keys;  // behind "rope."
  std::vector<float> divisors = {};
  float base = 1e6F;
  std::uint32_t context = 131072;

  Architecture read() const {
    tests::GgufBuilder builder;
    builder.string("general.architecture", "qwen2").uint32("qwen2.block_count", 1);
    builder.uint32("qwen2.embedding_length", 128).uint32("qwen2.feed_forward_length", 16);
    builder.uint32("qwen2.context_length", context).uint32("qwen2.attention.head_count", 1);
    builder.float32("qwen2.attention.layer_norm_rms_epsilon", 1e-5F);
    builder.float32("qwen2.rope.freq_base", base);
    for (const auto& [name, value] : keys) {
      const std::string key = "qwen2.rope." + name;
      if (const auto* count = std::get_if<std::uint32_t>(&value)) builder.uint32(key, *count);
      if (const auto* number = std::get_if<float>(&value)) builder.float32(key, *number);
      if (const auto* text = std::get_if<std::string>(&value)) builder.string(key, *text);
    }
    const std::vector<float> embedding(128);
    builder.tensor_f32("token_embd.weight", {128, 1}, embedding);
    if (!divisors.empty()) builder.tensor_f32("rope_freqs.weight", {divisors.size()}, divisors);
    const auto bytes = builder.build();
    return read_architecture(ModelFile::parse(bytes, "tiny.gguf"));
  }
};

const Description kPlain{};
const Description kYarn{{{"scaling.type", "yarn"},
                         {"scaling.factor", 4.0F},
                         {"scaling.original_context_length", 32768U}}};

double plain(std::size_t pair) { return std::pow(1e6, -static_cast<double>(pair) / 64); }

// How often the scaled frequency goes into the plain one.
double divisor(const Architecture& a, std::size_t pair) {
  return plain(pair) / rope_frequencies(a)[pair];
}

void check_near(double found, double expected) {
  BOOST_TEST(std::abs(found - expected) < 1e-6 * expected, found << " is not " << expected);
}

void check_refused(const Description& description, const std::string& words) {
  std::string line = "(accepted)";
  try {
    description.read();
  } catch (const config::UserError& error) {
    line = error.what();
  }
  BOOST_TEST(line.starts_with("tiny.gguf: "), line);
  BOOST_TEST(line.find(words) != std::string::npos, "'" << line << "' lacks '" << words << "'");
}

Description with(Description description, const std::string& key, Value value) {
  description.keys[key] = std::move(value);
  return description;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rope_scaling)

BOOST_AUTO_TEST_CASE(without_scaling_pairs_turn_at_powers_of_the_base) {
  const Architecture a = kPlain.read();
  const auto frequencies = rope_frequencies(a);
  BOOST_REQUIRE(frequencies.size() == 64U);
  for (std::size_t pair = 0; pair < 64; ++pair) check_near(frequencies[pair], plain(pair));
  BOOST_TEST(rope_scaling_name(a) == "none");
}

BOOST_AUTO_TEST_CASE(linear_scaling_slows_every_pair_by_the_factor) {
  const Description linear{{{"scaling.type", "linear"}, {"scaling.factor", 4.0F}}};
  const Description old_key{{{"scale_linear", 4.0F}}};
  const Description no_type{{{"scaling.factor", 4.0F}}};
  for (const Description& description : {linear, old_key, no_type}) {
    const Architecture a = description.read();
    BOOST_TEST(rope_scaling_name(a) == "linear");
    for (const std::size_t pair : {0U, 31U, 63U}) check_near(divisor(a, pair), 4.0);
    BOOST_TEST(a.rope_scaling.attention_factor == 1.0);
  }
}

// The pairs that turn 32 times and once in 32,768 positions lie at 23.6 and 39.7.
BOOST_AUTO_TEST_CASE(yarn_leaves_fast_pairs_and_slows_slow_ones) {
  const Architecture a = kYarn.read();
  check_near(divisor(a, 23), 1.0);
  check_near(divisor(a, 31), 1.0 / (8.0 / 17.0 / 4.0 + 9.0 / 17.0));
  check_near(divisor(a, 40), 4.0);
  check_near(divisor(a, 63), 4.0);
  check_near(a.rope_scaling.attention_factor, 0.1 * std::log(4.0) + 1.0);
  BOOST_TEST(a.context_max == 131072);
  const Architecture longer = with(kYarn, "scaling.attn_factor", 2.0F).read();
  check_near(longer.rope_scaling.attention_factor, 2.0 * (0.1 * std::log(4.0) + 1.0));
}

// 4 · 4 - 3 at four times the context.
BOOST_AUTO_TEST_CASE(dynamic_scaling_turns_as_at_the_end_of_the_whole_context) {
  Description dynamic{{{"scaling.type", "dynamic"}, {"scaling.factor", 4.0F}}};
  dynamic.context = 4096;
  const Architecture a = dynamic.read();
  BOOST_TEST(a.context_max == 16384);
  check_near(divisor(a, 0), 1.0);
  check_near(divisor(a, 63), 13.0);
  const Architecture stated = with(dynamic, "scaling.original_context_length", 2048U).read();
  BOOST_TEST(stated.context_max == 4096);
  check_near(divisor(stated, 63), 5.0);
}

BOOST_AUTO_TEST_CASE(llama_3_divides_each_frequency_by_its_own_number) {
  Description llama3;
  llama3.divisors.assign(64, 8.0F);
  llama3.divisors[0] = 1.0F;
  const Architecture a = llama3.read();
  BOOST_TEST(rope_scaling_name(a) == "llama3");
  check_near(divisor(a, 0), 1.0);
  check_near(divisor(a, 63), 8.0);
}

BOOST_AUTO_TEST_CASE(a_factor_of_0_or_1_without_a_type_scales_nothing) {
  for (const float factor : {0.0F, 1.0F}) {
    const Description none{{{"scaling.factor", factor}}};
    BOOST_TEST(rope_scaling_name(none.read()) == "none");
  }
}

BOOST_AUTO_TEST_CASE(yarn_lengthens_a_context_that_was_left_as_it_was) {
  Description qwen = kYarn;
  for (const std::uint32_t trained : {32768U, 40960U}) {
    qwen.context = trained;
    BOOST_TEST(qwen.read().context_max == 131072);
  }
}

BOOST_AUTO_TEST_CASE(models_that_compute_differently_have_different_ids) {
  const Architecture one = kPlain.read();
  Architecture other = one;
  const auto differs = [&] {
    const bool found = architecture_id(other) != architecture_id(one);
    other = one;
    return found;
  };
  BOOST_TEST(!differs());
  other.rope_base *= 2;
  BOOST_TEST(differs());
  other.rope_interleaved = !one.rope_interleaved;
  BOOST_TEST(differs());
  other.norm_epsilon *= 2;
  BOOST_TEST(differs());
  other.kv_heads *= 2;
  BOOST_TEST(differs());
}

BOOST_AUTO_TEST_CASE(scalings_that_turn_differently_have_different_ids) {
  const std::string yarn = architecture_id(kYarn.read());
  BOOST_TEST(yarn == architecture_id(kYarn.read()));
  BOOST_TEST(yarn != architecture_id(with(kYarn, "scaling.factor", 2.0F).read()));
  BOOST_TEST(yarn != architecture_id(with(kYarn, "scaling.attn_factor", 2.0F).read()));
}

BOOST_AUTO_TEST_CASE(scalings_that_the_engine_lacks_are_refused_with_what_it_has) {
  check_refused(with(kYarn, "scaling.type", "longrope"),
                "'longrope', which is not supported: give a model with scaling none, linear, yarn");
  check_refused(with(kYarn, "scaling.yarn_log_multiplier", 1.0F), "yarn_log_multiplier' is 1");
  check_refused(with(kYarn, "scaling.yarn_ext_factor", 0.5F), "yarn_ext_factor' is 0.5");
  check_refused(with(kYarn, "scaling.yarn_attn_factor", 0.5F), "yarn_attn_factor' is 0.5");
  Description both = kYarn;
  both.divisors.assign(64, 8.0F);
  check_refused(both, "both scale RoPE");
}

BOOST_AUTO_TEST_CASE(numbers_that_no_scaling_has_are_refused_by_name) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {0.0F, -1.0F, 0.5F, 1e9F, kNaN})
    check_refused(with(kYarn, "scaling.factor", bad), "rope.scaling.factor' is");
  Description no_factor = kYarn;
  no_factor.keys.erase("scaling.factor");
  check_refused(no_factor, "is missing");
  check_refused(with(kYarn, "scaling.original_context_length", 0U), "context_length' is 0");
  check_refused(with(kYarn, "scaling.yarn_beta_fast", 0.5F), "is below yarn_beta_slow");
  check_refused(with(kYarn, "scaling.yarn_beta_slow", kNaN), "yarn_beta_slow' is");
  Description flat = kYarn;
  flat.base = 1.0F;
  check_refused(flat, "is not above 1");
  check_refused({{{"scaling.type", "dynamic"}, {"scaling.factor", 1000.0F}}}, "more than 16777216");
}

BOOST_AUTO_TEST_CASE(divisors_that_do_not_fit_the_heads_are_refused) {
  Description llama3;
  llama3.divisors.assign(32, 1.0F);
  check_refused(llama3, "'rope_freqs.weight' is not 64 values of F32");
  for (const float bad : {0.0F, -1.0F, 1e9F, std::numeric_limits<float>::quiet_NaN()}) {
    llama3.divisors.assign(64, 1.0F);
    llama3.divisors[9] = bad;
    check_refused(llama3, "has a value that no scaling gives");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

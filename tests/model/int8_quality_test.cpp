// Holds the packed precisions (int8 and q4) against FP32 on both real models: mean KL divergence
// and how often the most likely token is the same. The text is the GPL, as Debian installs it; it
// has nothing to do with the calibration text. TROUPE_GATE_TOKENS sets the number of positions.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "model/gguf.hpp"
#include "model/kv_cache.hpp"
#include "model/tokenizer.hpp"
#include "model/transformer.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::model {
namespace {

constexpr const char* kText = "/usr/share/common-licenses/GPL-3";
constexpr std::size_t kSequenceTokens = 512;
constexpr std::size_t kChunk = 128;

std::size_t positions_wanted() {
  const char* wanted = std::getenv("TROUPE_GATE_TOKENS");
  return wanted == nullptr ? 3 * kSequenceTokens : std::stoul(wanted);
}

std::vector<std::int32_t> text_tokens(const GgufFile& file) {
  std::ifstream in(kText);
  BOOST_REQUIRE_MESSAGE(in.good(), kText << " is missing: install base-files");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::int32_t> tokens = Tokenizer(file).encode(text, SpecialTokens::kAsText);
  tokens.resize(std::min(tokens.size(), positions_wanted()));
  return tokens;
}

// A model in one precision, for one sequence at a time.
struct Engine {
  Engine(const GgufFile& file, kernels::Device& device, WeightsOptions options)
      : transformer(file, device, kChunk, options),
        cache(device, transformer.architecture(), blocks_for(kSequenceTokens), options.kv),
        blocks(static_cast<std::size_t>(cache.blocks())),
        logits(kChunk * static_cast<std::size_t>(transformer.architecture().vocab)) {
    std::iota(blocks.begin(), blocks.end(), 0);
  }

  void run(std::span<const std::int32_t> tokens, std::size_t position) {
    const SequenceSlice slice{tokens,
                              static_cast<std::int32_t>(position),
                              blocks,
                              static_cast<std::int32_t>(tokens.size())};
    transformer.forward({&slice, 1}, cache, std::span(logits).first(tokens.size() * vocab()));
  }

  std::size_t vocab() const { return static_cast<std::size_t>(transformer.architecture().vocab); }

  std::span<const float> row(std::size_t i) const {
    return std::span(logits).subspan(i * vocab(), vocab());
  }

  Transformer transformer;
  KvCache cache;
  std::vector<std::int32_t> blocks;
  std::vector<float> logits;
};

double log_sum_exp(std::span<const float> logits) {
  const float top = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float x : logits) sum += static_cast<double>(std::exp(x - top));
  return static_cast<double>(top) + std::log(sum);
}

// KL(p ‖ q) over the whole vocabulary.
double divergence(std::span<const float> p, std::span<const float> q) {
  const double p_total = log_sum_exp(p);
  const double q_total = log_sum_exp(q);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_total;
    if (log_p < -30) continue;  // under 1e-13 of the whole
    sum += std::exp(log_p) * (log_p - static_cast<double>(q[i]) + q_total);
  }
  return sum;
}

constexpr kernels::KvType kBf16 = kernels::KvType::kBf16;
constexpr kernels::KvType kInt8 = kernels::KvType::kInt8;

struct Gate {
  double divergence_max;
  double same_top_min;
};

void check_model(const char* name, Precision precision, kernels::KvType kv, Gate gate) {
  const std::filesystem::path path = tests::model_file(name);
  const GgufFile file = GgufFile::open(path);
  const std::vector<std::int32_t> tokens = text_tokens(file);
  const auto device = kernels::make_cpu_device(0);
  Engine plain(file, *device, {.precision = Precision::kFp32});
  Engine rounded(
      file,
      *device,
      {.precision = precision, .kv = kv, .packed_file = packed_file_of(path, precision)});
  double sum = 0;
  int same = 0;
  for (std::size_t begin = 0; begin < tokens.size();) {
    const std::size_t position = begin % kSequenceTokens;
    const std::size_t count = std::min({kChunk, tokens.size() - begin, kSequenceTokens - position});
    plain.run(std::span(tokens).subspan(begin, count), position);
    rounded.run(std::span(tokens).subspan(begin, count), position);
    for (std::size_t i = 0; i < count; ++i) {
      sum += divergence(plain.row(i), rounded.row(i));
      const auto top = std::ranges::max_element(plain.row(i)) - plain.row(i).begin();
      same += std::ranges::max_element(rounded.row(i)) - rounded.row(i).begin() == top ? 1 : 0;
    }
    begin += count;
  }
  const auto positions = static_cast<double>(tokens.size());
  BOOST_TEST_MESSAGE(name << ", keys and values in " << name_of(kv) << ": " << positions
                          << " positions, KL " << sum / positions << ", same top "
                          << 100 * same / positions << " %");
  BOOST_TEST(sum / positions <= gate.divergence_max);
  BOOST_TEST(same / positions >= gate.same_top_min);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(int8_quality)

BOOST_AUTO_TEST_CASE(smollm2_in_int8_answers_nearly_as_in_fp32) {
  check_model(tests::kSmolLm2,
              Precision::kDefault,
              kBf16,
              {.divergence_max = 0.0035, .same_top_min = 0.96});
}

BOOST_AUTO_TEST_CASE(qwen_coder_in_int8_answers_nearly_as_in_fp32) {
  check_model(tests::kQwenCoder,
              Precision::kDefault,
              kBf16,
              {.divergence_max = 0.003, .same_top_min = 0.97});
}

BOOST_AUTO_TEST_CASE(smollm2_in_4_bits_answers_nearly_as_in_fp32) {
  check_model(
      tests::kSmolLm2, Precision::kQ4, kBf16, {.divergence_max = 0.004, .same_top_min = 0.95});
}

BOOST_AUTO_TEST_CASE(qwen_coder_in_4_bits_answers_nearly_as_in_fp32) {
  check_model(
      tests::kQwenCoder, Precision::kQ4, kBf16, {.divergence_max = 0.002, .same_top_min = 0.965});
}

BOOST_AUTO_TEST_CASE(smollm2_in_bf16_answers_as_in_fp32) {
  check_model(
      tests::kSmolLm2, Precision::kExact, kBf16, {.divergence_max = 0.0005, .same_top_min = 0.985});
}

BOOST_AUTO_TEST_CASE(qwen_coder_in_bf16_answers_as_in_fp32) {
  check_model(tests::kQwenCoder,
              Precision::kExact,
              kBf16,
              {.divergence_max = 0.0005, .same_top_min = 0.985});
}

// The bound is that of above and the 0.002 that int8 keys and values may add.
BOOST_AUTO_TEST_CASE(smollm2_with_int8_keys_and_values_answers_nearly_as_in_fp32) {
  check_model(tests::kSmolLm2,
              Precision::kDefault,
              kInt8,
              {.divergence_max = 0.0055, .same_top_min = 0.95});
}

// Biases make a few channels of this model's keys a hundred times larger than the rest: rotation
// takes most of that away (0.049 without), not all. `bf16` is what config/troupe.toml advises.
BOOST_AUTO_TEST_CASE(qwen_coder_with_int8_keys_and_values_stays_within_what_rotation_reaches) {
  check_model(tests::kQwenCoder,
              Precision::kDefault,
              kInt8,
              {.divergence_max = 0.02, .same_top_min = 0.93});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

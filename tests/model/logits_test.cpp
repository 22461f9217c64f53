// Holds the forward pass of both real models against Hugging Face transformers in FP32 on the same
// files, over a thousand positions of English, Chinese, code and chat. Written by
// scripts/golden/make_logits_goldens.py.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <vector>

#include "model/kv_cache.hpp"
#include "model/model_file.hpp"
#include "model/transformer.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t kTop = 16;

struct Likely {
  std::int32_t id;
  float logprob;
};

struct Sequence {
  std::vector<std::int32_t> tokens;
  std::vector<Likely> likely;  // [tokens, kTop]
};

template <typename T>
void read_into(std::ifstream& file, std::vector<T>& values, std::size_t count) {
  values.resize(count);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(count * sizeof(T)));
}

std::vector<Sequence> read_goldens(const std::string& name) {
  std::ifstream file(tests::repository() / "tests/model/data" / ("logits_goldens." + name + ".bin"),
                     std::ios::binary);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  std::vector<char> magic;
  read_into(file, magic, 8);
  BOOST_REQUIRE(std::string(magic.begin(), magic.end()) == "TRPLGLD1");
  std::vector<std::uint32_t> count;
  read_into(file, count, 1);
  std::vector<Sequence> sequences(count.at(0));
  for (Sequence& sequence : sequences) {
    read_into(file, count, 1);
    read_into(file, sequence.tokens, count[0]);
    read_into(file, sequence.likely, count[0] * kTop);
  }
  return sequences;
}

// What one position says about the whole.
struct Score {
  double divergence =
      0;  // Σ of KL(reference ‖ ours), the 16 most likely and one bucket for the rest
  int positions = 0;
  int wrong_top = 0;  // where the reference's margin exceeds 0.05

  void add(std::span<const Likely> reference, std::span<const float> logits) {
    const auto top = std::max_element(logits.begin(), logits.end());
    double total = 0;
    for (const float logit : logits)
      total += std::exp(static_cast<double>(logit) - static_cast<double>(*top));
    const double normalizer = static_cast<double>(*top) + std::log(total);
    double rest = 1;
    double our_rest = 1;
    for (const Likely& likely : reference) {
      const auto log_p = static_cast<double>(likely.logprob);
      const double log_q =
          static_cast<double>(logits[static_cast<std::size_t>(likely.id)]) - normalizer;
      divergence += std::exp(log_p) * (log_p - log_q);
      rest -= std::exp(log_p);
      our_rest -= std::exp(log_q);
    }
    constexpr double kLeast = 1e-7;  // below it the rest is rounding
    rest = std::max(rest, kLeast);
    our_rest = std::max(our_rest, kLeast);
    divergence += rest * std::log(rest / our_rest);
    const bool clear = reference[0].logprob - reference[1].logprob > 0.05F;
    if (clear && top - logits.begin() != reference[0].id) ++wrong_top;
    ++positions;
  }
};

// The first `tokens_max` tokens of each sequence, in chunks that do not fit its length.
Score score(kernels::Device& device,
            const ModelFile& file,
            const std::vector<Sequence>& sequences,
            std::size_t tokens_max) {
  constexpr std::size_t kChunk = 100;
  Transformer transformer(file, device, kChunk);
  const auto vocab = static_cast<std::size_t>(transformer.architecture().vocab);
  std::vector<float> logits(kChunk * vocab);
  Score result;
  for (const Sequence& sequence : sequences) {
    const std::size_t tokens = std::min(tokens_max, sequence.tokens.size());
    std::vector<std::int32_t> blocks(
        static_cast<std::size_t>(blocks_for(static_cast<std::int32_t>(tokens))));
    std::iota(blocks.rbegin(), blocks.rend(), 0);
    KvCache cache(device,
                  transformer.architecture(),
                  static_cast<std::int32_t>(blocks.size()),
                  kernels::KvType::kF32);
    for (std::size_t begin = 0; begin < tokens; begin += kChunk) {
      const std::size_t count = std::min(kChunk, tokens - begin);
      const SequenceSlice slice{std::span(sequence.tokens).subspan(begin, count),
                                static_cast<std::int32_t>(begin),
                                blocks,
                                static_cast<std::int32_t>(count)};
      transformer.forward(std::span(&slice, 1), cache, std::span(logits).first(count * vocab));
      for (std::size_t i = 0; i < count; ++i) {
        result.add(std::span(sequence.likely).subspan((begin + i) * kTop, kTop),
                   std::span(logits).subspan(i * vocab, vocab));
      }
    }
  }
  return result;
}

void check_model(const char* file_name,
                 const std::string& goldens_name,
                 std::size_t scalar_sequences) {
  const ModelFile file = ModelFile::open(tests::model_file(file_name));
  const std::vector<Sequence> goldens = read_goldens(goldens_name);
  for (const auto& device : kernels::all_cpu_devices(2)) {
    // FP32 is avx512's there.
    if (device->backend() == "amx" || device->backend() == "avx512_bf16") continue;
    const bool scalar = device->backend() == "scalar";
    const std::vector<Sequence> some(
        goldens.begin(), goldens.begin() + static_cast<std::ptrdiff_t>(scalar_sequences));
    const Score result = score(*device, file, scalar ? some : goldens, scalar ? 12 : 10000);
    const double mean = result.divergence / result.positions;
    BOOST_TEST_MESSAGE(goldens_name << " " << device->backend() << ": " << result.positions
                                    << " positions, mean KL " << mean << ", wrong top "
                                    << result.wrong_top);
    BOOST_TEST(result.wrong_top == 0);
    BOOST_TEST(mean < 1e-4);
    BOOST_TEST((scalar || result.positions >= 1000));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(logits)

BOOST_AUTO_TEST_CASE(smollm2_agrees_with_transformers) {
  check_model(tests::kSmolLm2, "smollm2", 4);
}

BOOST_AUTO_TEST_CASE(qwen_coder_agrees_with_transformers) {
  check_model(tests::kQwenCoder, "qwen2.5", 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

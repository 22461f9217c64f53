// Whole tiny models whose matrices are all of one storage type, beside the same model with these
// values in F32, on the scalar backend.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "kernels/tensor_type.hpp"
#include "model/kv_cache.hpp"
#include "model/model_file.hpp"
#include "model/transformer.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/model/tiny_model.hpp"

namespace troupe::model {
namespace {

using kernels::TensorType;

constexpr std::int32_t kTokens = 40;  // two blocks of the cache

tests::TinyModel model_of(TensorType type) {
  tests::TinyModel model;
  model.layers = 1;
  model.feed_forward = 512;  // whole blocks of every type
  model.tied = false;
  model.all_matrices = type;
  return model;
}

// [kTokens, vocab]
std::vector<float> logits_of(const tests::TinyModel& model,
                             kernels::Device& device,
                             Precision precision) {
  const std::vector<std::byte> bytes = model.build();
  const ModelFile file = ModelFile::parse(bytes, "tiny.gguf");
  WeightsOptions options;
  options.precision = precision;
  options.kv = precision == Precision::kFp32 ? kernels::KvType::kF32 : kernels::KvType::kBf16;
  Transformer transformer(file, device, kTokens, options);
  std::vector<std::int32_t> blocks(static_cast<std::size_t>(blocks_for(kTokens)));
  std::iota(blocks.begin(), blocks.end(), 0);
  KvCache cache(
      device, transformer.architecture(), static_cast<std::int32_t>(blocks.size()), options.kv);
  std::vector<std::int32_t> tokens(kTokens);
  for (std::int32_t i = 0; i < kTokens; ++i)
    tokens[static_cast<std::size_t>(i)] = (i * 29 + 3) % static_cast<std::int32_t>(model.vocab);
  std::vector<float> logits(tokens.size() * model.vocab);
  const SequenceSlice slice{tokens, 0, blocks, kTokens};
  transformer.forward({&slice, 1}, cache, logits);
  return logits;
}

// The difference as a share of the logits' size; not a number when one is not finite.
double distance(const std::vector<float>& expected, const std::vector<float>& found) {
  double error = 0;
  double size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto wanted = static_cast<double>(expected[i]);
    error += std::pow(static_cast<double>(found[i]) - wanted, 2);
    size += wanted * wanted;
  }
  return std::sqrt(error / size);
}

std::vector<float> expected_of(TensorType type) {
  tests::TinyModel plain = model_of(type);
  plain.expanded = true;
  const auto scalar = kernels::make_cpu_device(1, kernels::CpuBackend::kScalar);
  return logits_of(plain, *scalar, Precision::kFp32);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tensor_types)

BOOST_AUTO_TEST_CASE(a_model_of_one_type_computes_with_the_values_that_its_blocks_state) {
  // Rounding in FP32; to BF16; to eight bits and less. No training has made errors harmless, and
  // random blocks of some types (Q6_K) hold larger values, which sharpen attention: in two layers
  // 0.12, 0.21 and 0.48 were seen. A block that is misread gives more than 1.
  const std::vector<std::pair<Precision, double>> bounds = {{Precision::kFp32, 1e-4},
                                                            {Precision::kExact, 0.2},
                                                            {Precision::kDefault, 0.35},
                                                            {Precision::kQ4, 0.6}};
  for (const TensorType type : kernels::kAllTypes) {
    const std::vector<float> expected = expected_of(type);
    const auto devices = kernels::all_cpu_devices(2);
    for (const auto& device : devices) {
      for (const auto& [precision, most] : bounds) {
        // Calibration takes most of the time, and the values of blocks are the same for it
        // anywhere.
        if (precision == Precision::kDefault && device != devices.front()) continue;
        const double found = distance(expected, logits_of(model_of(type), *device, precision));
        BOOST_TEST(found <= most,
                   kernels::type_name(type)
                       << " " << device->backend() << " " << name_of(precision) << ": " << found);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

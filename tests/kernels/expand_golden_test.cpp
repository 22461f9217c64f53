// Holds every storage type, on every backend, against what the gguf package makes of random blocks:
// scripts/golden/make_expand_goldens.py.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/kernels/random_weights.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::kernels {
namespace {

struct Golden {
  TensorType type = TensorType::kF32;
  std::vector<std::byte> blocks;
  std::vector<float> values;
};

template <typename T>
void read_into(std::ifstream& file, std::vector<T>& values, std::size_t count) {
  values.resize(count);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(count * sizeof(T)));
}

std::vector<Golden> read_goldens() {
  std::ifstream file(tests::repository() / "tests/kernels/data/expand_goldens.bin",
                     std::ios::binary);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  std::vector<char> magic;
  read_into(file, magic, 8);
  BOOST_REQUIRE(std::string(magic.begin(), magic.end()) == "TRPEXP01");
  std::vector<Golden> goldens;
  while (file.peek() != std::ifstream::traits_type::eof()) {
    std::vector<std::uint32_t> header;
    read_into(file, header, 3);
    Golden& golden = goldens.emplace_back();
    golden.type = TensorType{header[0]};
    read_into(file, golden.blocks, header[1]);
    read_into(file, golden.values, header[2]);
    file.exceptions(std::ios::badbit);  // the next peek may find the end
  }
  return goldens;
}

const Golden& golden_of(const std::vector<Golden>& goldens, TensorType type) {
  const auto found = std::ranges::find(goldens, type, &Golden::type);
  BOOST_REQUIRE_MESSAGE(found != goldens.end(), type_name(type) << " has no golden");
  return *found;
}

// The embedding is the op that hands out a row as it was expanded.
std::vector<float> expanded_by(Device& device, const Golden& golden) {
  std::vector<float> row(golden.values.size());
  const std::int32_t first = 0;
  device.run(Embedding{.type = golden.type,
                       .table = golden.blocks.data(),
                       .ids = &first,
                       .out = row.data(),
                       .tokens = 1,
                       .k = static_cast<std::int32_t>(row.size())});
  return row;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(expand_golden)

BOOST_AUTO_TEST_CASE(the_types_that_are_read_are_these) {
  std::string names;
  for (const TensorType type : kAllTypes) names += std::string(type_name(type)) + " ";
  BOOST_TEST(names == "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL ");
  std::size_t supported = 0;
  for (std::uint32_t number = 0; number < 1000; ++number) {
    if (block_shape(TensorType{number}).values != 0) ++supported;
  }
  BOOST_TEST(supported == std::size(kAllTypes));
}

BOOST_AUTO_TEST_CASE(every_type_expands_to_exactly_the_values_of_the_gguf_package) {
  const std::vector<Golden> goldens = read_goldens();
  BOOST_TEST(goldens.size() == std::size(kAllTypes));
  for (const TensorType type : kAllTypes) {
    const Golden& golden = golden_of(goldens, type);
    for (const auto& device : all_cpu_devices(1)) {
      const std::vector<float> found = expanded_by(*device, golden);
      const auto miss = std::ranges::mismatch(found, golden.values);
      BOOST_TEST((miss.in1 == found.end()),
                 device->backend()
                     << " " << type_name(type) << " value " << miss.in1 - found.begin());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

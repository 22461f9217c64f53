// SHA-256, and values that are not finite in tensors of every type.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/device.hpp"
#include "model/sha256.hpp"
#include "model/tensor_check.hpp"
#include "tests/kernels/random_weights.hpp"

using namespace troupe;
using kernels::TensorType;

namespace {

// Values of 10 rows: more than what is looked at in one go.
constexpr std::int32_t kColumns = 30 * 1024;
constexpr std::int32_t kRows = 10;

std::uint64_t not_finite(TensorType type, std::span<const std::byte> data) {
  const auto device = kernels::make_cpu_device(2);
  return model::count_not_finite(
      {.name = "t", .type = type, .shape = {kColumns, kRows}, .data = data}, *device);
}

std::string sha256_of(std::string_view text) {
  return model::sha256(std::as_bytes(std::span(text)));
}

}  // namespace

// The examples of csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values.
BOOST_AUTO_TEST_CASE(sha256_gives_the_digests_of_its_standard) {
  BOOST_TEST(sha256_of("abc") ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_TEST(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  BOOST_TEST(sha256_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

BOOST_AUTO_TEST_CASE(tensors_of_every_type_with_finite_scales_are_finite) {
  for (const TensorType type : kernels::kAllTypes) {
    if (type == TensorType::kF16) continue;  // whose random bits are anything
    const auto data = kernels::random_weights(type, kColumns, kRows, 3);
    BOOST_TEST(not_finite(type, data) == 0U, kernels::type_name(type));
  }
}

BOOST_AUTO_TEST_CASE(an_infinite_scale_in_the_last_block_of_any_type_is_found) {
  constexpr std::uint16_t kInfinity = 0x7C00;  // as a half
  for (const TensorType type : kernels::kAllTypes) {
    if (type == TensorType::kF32 || type == TensorType::kBF16) continue;
    auto data = kernels::random_weights(type, kColumns, kRows, 3);
    const std::size_t last = data.size() - kernels::block_shape(type).bytes;
    std::memcpy(&data[last + kernels::scale_position(type)], &kInfinity, sizeof kInfinity);
    BOOST_TEST(not_finite(type, data) > 0U, kernels::type_name(type));
  }
}

BOOST_AUTO_TEST_CASE(wide_values_that_are_not_finite_are_counted) {
  std::vector<float> values(std::size_t{kColumns} * kRows, 1.0F);
  values.front() = std::numeric_limits<float>::quiet_NaN();
  values[100000] = -std::numeric_limits<float>::infinity();
  values.back() = std::numeric_limits<float>::infinity();
  BOOST_TEST(not_finite(TensorType::kF32, std::as_bytes(std::span(values))) == 3U);
  std::vector<std::uint16_t> words(values.size(), 0x3F80);
  words[5] = 0x7FC0;
  words.back() = 0x7F80;
  BOOST_TEST(not_finite(TensorType::kBF16, std::as_bytes(std::span(words))) == 2U);
}

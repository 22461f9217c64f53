// Sentences about the emulated tile unit itself; what kernels do with it is in the files that
// kernels_test has as well.
#include "tests/kernels/emulated_tiles.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <vector>

#include "kernels/cpu/cpu_features.hpp"
#include "kernels/device.hpp"

namespace troupe::kernels {

#include "kernels/cpu/body/tile_unit.hpp"

namespace {

BOOST_AUTO_TEST_SUITE(tiles_in_software)

// Sums of 2 × 3 in tile 0, left rows of 8 bytes in 1, right rows of 3 words in 2.
void configure_small() {
  TileConfig config;
  config.bytes_per_row[0] = config.bytes_per_row[2] = 12;
  config.bytes_per_row[1] = 8;
  config.rows[0] = config.rows[1] = config.rows[2] = 2;
  load_configuration(config);
}

BOOST_AUTO_TEST_CASE(the_tile_backend_runs_wherever_its_vectors_do) {
  if (!cpu_has_vnni() || !cpu_has_bf16()) return;
  BOOST_TEST(make_cpu_device(1, CpuBackend::kAmx)->backend() == "amx");
}

BOOST_AUTO_TEST_CASE(a_product_of_bytes_is_the_one_of_the_manual) {
  configure_small();
  const std::int8_t left[2][8] = {{1, 2, 3, 4, 5, 6, 7, 8}, {-1, 0, 0, 0, 0, 0, 0, -128}};
  // Rows of four values of k for each of three columns.
  const std::int8_t right[2][12] = {{1, 1, 1, 1, 0, 0, 0, 1, 2, 0, 0, 0},
                                    {1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, -128}};
  std::int32_t sums[2][3] = {{100, 100, 100}, {0, 0, 0}};
  emulated_tiles::load(0, sums, 12);
  emulated_tiles::load(1, left, 8);
  emulated_tiles::load(2, right, 12);
  emulated_tiles::multiply_int8(0, 1, 2);
  emulated_tiles::store(0, sums, 12);
  const std::vector<std::int32_t> got(&sums[0][0], &sums[0][0] + 6);
  const std::vector<std::int32_t> expected{136, 112, -922, -129, -128, 16382};
  BOOST_TEST(got == expected, boost::test_tools::per_element());
}

// 2^24 takes no single 1 more, so the order of the additions shows: the even values of k are added
// by themselves (2^24 - 2^24 = 0), as are the odd ones (1 + 1), then both.
BOOST_AUTO_TEST_CASE(a_product_of_bf16_adds_even_and_odd_values_of_k_apart) {
  configure_small();
  constexpr std::uint16_t kOne = 0x3F80;
  constexpr std::uint16_t kLarge = 0x4B80;  // 2^24
  constexpr std::uint16_t kMinusLarge = 0xCB80;
  constexpr std::uint16_t kDenormal = 0x0001;
  const std::uint16_t left[2][4] = {{kLarge, kOne, kMinusLarge, kOne}, {kDenormal, 0, 0, 0}};
  std::uint16_t right[2][6];
  for (auto& row : right)
    for (auto& value : row) value = kOne;
  float sums[2][3] = {{1, 2, 3}, {0, 0, 0}};
  emulated_tiles::load(0, sums, 12);
  emulated_tiles::load(1, left, 8);
  emulated_tiles::load(2, right, 12);
  emulated_tiles::multiply_bf16(0, 1, 2);
  emulated_tiles::store(0, sums, 12);
  const std::vector<float> got(&sums[0][0], &sums[0][0] + 6);
  const std::vector<float> expected{3, 4, 5, 0, 0, 0};
  BOOST_TEST(got == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::kernels

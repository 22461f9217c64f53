#include "model/grouped_packer.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/random_weights.hpp"

namespace troupe::model {
namespace {

using kernels::TensorType;

constexpr std::int32_t kRows = 37;
constexpr std::int32_t kColumns = 512;

struct Free {
  void operator()(void* data) const { std::free(data); }
};

// A matrix of random blocks, and its grouped form multiplied by one-hot rows: the packed weights.
struct Packed {
  explicit Packed(TensorType type_of_blocks, int threads = 2)
      : bytes(kernels::random_weights(type_of_blocks, kColumns, kRows, 1)),
        matrix{type_of_blocks, bytes.data(), kRows, kColumns, {}},
        size(kernels::grouped_bytes(grouped_bits(matrix.type), kRows, kColumns)),
        blocks(static_cast<std::byte*>(std::aligned_alloc(64, size))) {
    std::fill_n(blocks.get(), size, std::byte{0});
    const auto device = kernels::make_cpu_device(threads, kernels::CpuBackend::kScalar);
    pack_grouped(matrix, *device, {blocks.get(), size});
  }

  std::vector<float> weights_of_column(std::int32_t k) const {
    std::vector<float> x(kColumns);
    x[static_cast<std::size_t>(k)] = 127.0F;  // rounds without error
    std::vector<std::int8_t> q(kColumns);
    std::vector<float> scale(kColumns / kernels::kGroupValues);
    std::vector<float> sum(scale.size());
    std::vector<float> y(kRows);
    const kernels::GroupedInput input{q.data(), scale.data(), sum.data()};
    kernels::reference::group_rows(x.data(), kColumns, input, 0, 1);
    kernels::reference::grouped_linear(
        {.weights = {blocks.get(), grouped_bits(matrix.type), kRows, kColumns},
         .x = x.data(),
         .y = y.data(),
         .rows = 1},
        input,
        0,
        kRows);
    for (float& value : y) value /= 127.0F;
    return y;
  }

  std::vector<float> expanded_row(std::int32_t row) const {
    std::vector<float> values(kColumns);
    kernels::reference::expand_row(
        matrix.type,
        bytes.data() + static_cast<std::size_t>(row) * kernels::row_bytes(matrix.type, kColumns),
        kColumns,
        values.data());
    return values;
  }

  std::vector<std::byte> bytes;
  Matrix matrix;
  std::size_t size;
  std::unique_ptr<std::byte, Free> blocks;
};

// The largest difference to the file's weights, as a share of the largest weight of the group.
double worst_difference(const Packed& packed) {
  double worst = 0;
  std::vector<std::vector<float>> columns;
  for (std::int32_t k = 0; k < kColumns; ++k) columns.push_back(packed.weights_of_column(k));
  for (std::int32_t row = 0; row < kRows; ++row) {
    const std::vector<float> expected = packed.expanded_row(row);
    for (std::size_t g = 0; g < expected.size(); g += kernels::kGroupValues) {
      double largest = 1e-6;
      double difference = 0;
      for (std::size_t k = g; k < g + kernels::kGroupValues; ++k) {
        const auto w = static_cast<double>(expected[k]);
        const auto found = static_cast<double>(columns[k][static_cast<std::size_t>(row)]);
        largest = std::max(largest, std::abs(w));
        difference = std::max(difference, std::abs(found - w));
      }
      worst = std::max(worst, difference / largest);
    }
  }
  return worst;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(grouped_packer)

BOOST_AUTO_TEST_CASE(blocks_of_32_keep_their_weights) {
  for (const TensorType type : {TensorType::kQ4_0,
                                TensorType::kQ4_1,
                                TensorType::kQ5_0,
                                TensorType::kQ5_1,
                                TensorType::kQ8_0,
                                TensorType::kIQ4_NL}) {
    BOOST_TEST(worst_difference(Packed(type)) < 1e-5, kernels::type_name(type));
  }
}

// Their scales are products, which FP16 rounds by 1/2048 at most.
BOOST_AUTO_TEST_CASE(blocks_of_256_keep_their_weights_but_for_the_rounding_of_scales) {
  for (const TensorType type : {TensorType::kQ4_K, TensorType::kQ5_K})
    BOOST_TEST(worst_difference(Packed(type)) < 2e-3, kernels::type_name(type));
}

BOOST_AUTO_TEST_CASE(six_bits_become_eight_with_little_loss) {
  BOOST_TEST(grouped_bits(TensorType::kQ6_K) == 8);
  BOOST_TEST(worst_difference(Packed(TensorType::kQ6_K)) < 1.1 / 255);
}

// Half of a step of a 15th of the range, or of a 31st, and what clipping adds.
BOOST_AUTO_TEST_CASE(two_and_three_bits_of_16_share_a_finer_grid_of_32) {
  BOOST_TEST(grouped_bits(TensorType::kQ2_K) == 4);
  BOOST_TEST(worst_difference(Packed(TensorType::kQ2_K)) < 0.3);
  BOOST_TEST(grouped_bits(TensorType::kQ3_K) == 5);
  BOOST_TEST(worst_difference(Packed(TensorType::kQ3_K)) < 0.15);
}

// Half of a step of a 15th of the range, and what clipping adds.
BOOST_AUTO_TEST_CASE(wide_weights_become_four_bits) {
  BOOST_TEST(grouped_bits(TensorType::kF32) == 4);
  const double worst = worst_difference(Packed(TensorType::kF32));
  BOOST_TEST(worst < 0.3);
  BOOST_TEST(worst > 0.05);
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_bits) {
  const Packed one(TensorType::kQ4_K, 1);
  const Packed three(TensorType::kQ4_K, 3);
  BOOST_TEST(std::equal(one.blocks.get(), one.blocks.get() + one.size, three.blocks.get()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

#include "kernels/linear.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/kernels/random_weights.hpp"

namespace troupe::kernels {
namespace {

std::int32_t block_values(TensorType type) {
  return static_cast<std::int32_t>(block_shape(type).values);
}

// A linear layer with its operands.
struct Layer {
  TensorType type;
  std::int32_t rows, k, n;
  std::vector<std::byte> weights = random_weights(type, k, n, 7);
  std::vector<float> x =
      random_floats(static_cast<std::size_t>(rows) * static_cast<std::size_t>(k), 8);
  std::vector<float> bias = random_floats(static_cast<std::size_t>(n), 9);
  std::vector<float> y =
      random_floats(static_cast<std::size_t>(rows) * static_cast<std::size_t>(n), 10);

  Linear op(bool with_bias, bool accumulate) {
    return {.type = type,
            .weights = weights.data(),
            .x = x.data(),
            .bias = with_bias ? bias.data() : nullptr,
            .y = y.data(),
            .rows = rows,
            .k = k,
            .n = n,
            .accumulate = accumulate};
  }
};

// Largest sum of |w · x| over the columns: what rounding errors of a sum are relative to.
double magnitude(const Layer& layer) {
  double largest = 0;
  std::vector<float> row(static_cast<std::size_t>(layer.k));
  for (std::int32_t j = 0; j < layer.n; ++j) {
    const std::size_t at = static_cast<std::size_t>(j) * row_bytes(layer.type, layer.k);
    reference::expand_row(layer.type, layer.weights.data() + at, layer.k, row.data());
    double sum = 0;
    for (const float w : row) sum += std::abs(static_cast<double>(w));
    largest = std::max(largest, sum);
  }
  return largest;
}

void check_against_reference(Device& device, Layer layer, bool with_bias, bool accumulate) {
  Layer expected = layer;
  std::vector<float> scratch(static_cast<std::size_t>(layer.k));
  reference::linear(expected.op(with_bias, accumulate), 0, layer.n, scratch.data());
  const Linear op = layer.op(with_bias, accumulate);
  device.run(std::span(&op, 1));
  // 16 partial sums of k/16 terms each, then a tree: far fewer than 64 roundings that matter; FP32
  // has 2^-24.
  const double tolerance = 64 * 0x1p-24 * (magnitude(layer) + 2);
  for (std::size_t i = 0; i < layer.y.size(); ++i) {
    const double error =
        std::abs(static_cast<double>(layer.y[i]) - static_cast<double>(expected.y[i]));
    BOOST_REQUIRE_MESSAGE(error <= tolerance,
                          device.backend()
                              << " " << type_name(layer.type) << " rows " << layer.rows << " k "
                              << layer.k << " n " << layer.n << ": element " << i << " is "
                              << layer.y[i] << ", not " << expected.y[i]);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(linear)

BOOST_AUTO_TEST_CASE(every_type_expands_to_exactly_the_references_values) {
  for (const auto& device : all_cpu_devices(1)) {
    for (const TensorType type : kAllTypes) {
      for (const std::int32_t blocks : {1, 2, 5, 33}) {
        const std::int32_t k = block_values(type) * blocks;
        const auto weights = random_weights(type, k, 3, 1);
        const std::int32_t ids[] = {2, 0, 1};
        std::vector<float> rows(static_cast<std::size_t>(3 * k));
        device->run(Embedding{.type = type,
                              .table = weights.data(),
                              .ids = ids,
                              .out = rows.data(),
                              .tokens = 3,
                              .k = k});
        std::vector<float> expected(static_cast<std::size_t>(k));
        for (std::size_t i = 0; i < 3; ++i) {
          const std::size_t row = static_cast<std::size_t>(ids[i]);
          reference::expand_row(
              type, weights.data() + row * row_bytes(type, k), k, expected.data());
          const float* found = rows.data() + i * static_cast<std::size_t>(k);
          BOOST_REQUIRE_MESSAGE(std::equal(expected.begin(), expected.end(), found),
                                device->backend() << " " << type_name(type) << " k " << k);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(q4_1_and_q6_k_expand_to_values_worked_out_by_hand) {
  // d = 0.5 (0x3800), m = -1 (0xBC00); byte 0x3A: value 0 is 10, value 16 is 3.
  std::vector<std::byte> q4_1(20);
  q4_1[1] = std::byte{0x38};
  q4_1[3] = std::byte{0xBC};
  q4_1[4] = std::byte{0x3A};
  std::vector<float> out(256);
  reference::expand_row(TensorType::kQ4_1, q4_1.data(), 32, out.data());
  BOOST_TEST(out[0] == 4.0F);
  BOOST_TEST(out[16] == 0.5F);
  BOOST_TEST(out[1] == -1.0F);
  // d = 0.5, scale of group 2 is -3; value 32: low bits 5 from ql[32], high bits 2 from bits 2-3 of
  // qh[0].
  std::vector<std::byte> q6_k(210);
  q6_k[209] = std::byte{0x38};
  q6_k[194] = std::byte{0xFD};
  q6_k[32] = std::byte{0x05};
  q6_k[128] = std::byte{0x08};
  reference::expand_row(TensorType::kQ6_K, q6_k.data(), 256, out.data());
  BOOST_TEST(out[32] == 0.5F * -3.0F * (5 + 32 - 32));
}

BOOST_AUTO_TEST_CASE(every_type_and_odd_shape_agrees_with_the_reference) {
  for (const auto& device : all_cpu_devices(2)) {
    for (const TensorType type : kAllTypes) {
      const bool plain = block_values(type) == 1;
      for (const std::int32_t k :
           {block_values(type) * (plain ? 7 : 1), block_values(type) * (plain ? 83 : 5)}) {
        for (const std::int32_t n : {1, 6, 37}) {
          for (const std::int32_t rows : {1, 2, 5, 7, 19}) {
            check_against_reference(*device, {type, rows, k, n}, n == 6, n == 37);
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_rows_bits_do_not_depend_on_the_other_rows_or_on_threads) {
  const auto one_thread = all_cpu_devices(1);
  const auto three_threads = all_cpu_devices(3);
  for (std::size_t d = 0; d < one_thread.size(); ++d) {
    for (const TensorType type : kAllTypes) {
      const std::int32_t k = block_values(type) == 1 ? 301 : block_values(type) * 3;
      Layer all{type, 23, k, 45};
      const Linear op = all.op(true, false);
      three_threads[d]->run(std::span(&op, 1));
      for (const std::int32_t begin : {0, 9, 22}) {
        for (const std::int32_t rows : {1, 4}) {
          if (begin + rows > all.rows) continue;
          Layer some = all;
          Linear part = some.op(true, false);
          part.x += begin * k;
          part.rows = rows;
          one_thread[d]->run(std::span(&part, 1));
          const float* expected = all.y.data() + begin * all.n;
          const auto bytes = static_cast<std::size_t>(rows * all.n) * sizeof(float);
          BOOST_REQUIRE_MESSAGE(std::memcmp(some.y.data(), expected, bytes) == 0,
                                one_thread[d]->backend()
                                    << " " << type_name(type) << " row " << begin);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(layers_of_one_call_do_not_disturb_one_another) {
  for (const auto& device : all_cpu_devices(2)) {
    Layer a{TensorType::kQ4_1, 3, 64, 21};
    Layer b{TensorType::kQ6_K, 3, 512, 5};
    Layer a_alone = a;
    Layer b_alone = b;
    const Linear both[] = {a.op(true, false), b.op(false, true)};
    device->run(both);
    const Linear first = a_alone.op(true, false);
    const Linear second = b_alone.op(false, true);
    device->run(std::span(&first, 1));
    device->run(std::span(&second, 1));
    BOOST_TEST(a.y == a_alone.y, boost::test_tools::per_element());
    BOOST_TEST(b.y == b_alone.y, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

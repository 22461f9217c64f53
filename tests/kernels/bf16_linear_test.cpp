#include "kernels/bf16_linear.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/kernels/random_weights.hpp"

namespace troupe::kernels {
namespace {

std::size_t size(std::int32_t a, std::int32_t b = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
}

float to_float(Bf16 value) { return std::bit_cast<float>(std::uint32_t{value} << 16); }

std::vector<Bf16> packed(const std::vector<float>& x, std::int32_t k) {
  const auto rows = static_cast<std::int32_t>(x.size() / size(k));
  std::vector<Bf16> out(size(rows, bf16_padded_k(k)), Bf16{0x7FC0});
  reference::pack_bf16({.x = x.data(), .out = out.data(), .rows = rows, .k = k}, 0, rows, nullptr);
  return out;
}

// A layer with random operands; `rows` may be lowered to use the first rows of x only.
struct Layer {
  Layer(TensorType type_of_w, std::int32_t rows_to_hold, std::int32_t k_of_x, std::int32_t n_of_y)
      : type(type_of_w),
        rows(rows_to_hold),
        k(k_of_x),
        n(n_of_y),
        weights(random_weights(type, k, n, 1)),
        up(random_weights(type, k, n, 2)),
        x(random_floats(size(rows, k), 3)),
        bias(random_floats(size(n), 4)),
        y(random_floats(size(rows, n), 5)) {
    pack();
  }

  void pack() {
    x.resize(size(rows, k));
    y.resize(size(rows, n));
    x_packed = packed(x, k);
  }

  Bf16Linear op(bool with_bias, bool accumulate, float* out) const {
    return {.type = type,
            .weights = weights.data(),
            .x = x_packed.data(),
            .bias = with_bias ? bias.data() : nullptr,
            .y = out,
            .rows = rows,
            .k = k,
            .n = n,
            .accumulate = accumulate};
  }

  Bf16Linear gated(Bf16* out) const {
    return {.type = type,
            .up_type = type,
            .weights = weights.data(),
            .up = up.data(),
            .x = x_packed.data(),
            .packed_y = out,
            .rows = rows,
            .k = k,
            .n = n};
  }

  TensorType type;
  std::int32_t rows, k, n;
  std::vector<std::byte> weights;
  std::vector<std::byte> up;
  std::vector<float> x;
  std::vector<float> bias;
  std::vector<float> y;
  std::vector<Bf16> x_packed;
};

// Largest sum of |w · x| over all sums: what rounding errors are relative to.
double magnitude(const Layer& layer) {
  double largest = 0;
  std::vector<float> row(size(layer.k));
  const float x_most =
      std::abs(*std::ranges::max_element(layer.x, {}, [](float value) { return std::abs(value); }));
  for (std::int32_t j = 0; j < layer.n; ++j) {
    reference::expand_row(layer.type,
                          layer.weights.data() + size(j) * row_bytes(layer.type, layer.k),
                          layer.k,
                          row.data());
    double sum = 0;
    for (const float w : row) sum += std::abs(static_cast<double>(w));
    largest = std::max(largest, sum * static_cast<double>(x_most));
  }
  return largest;
}

std::vector<float> result(Device& device, const Layer& layer, bool with_bias, bool accumulate) {
  std::vector<float> y = layer.y;
  const Bf16Linear op = layer.op(with_bias, accumulate, y.data());
  device.run(std::span(&op, 1));
  return y;
}

std::vector<Bf16> gated_result(Device& device, const Layer& layer) {
  std::vector<Bf16> out(size(layer.rows, bf16_padded_k(layer.n)), Bf16{0x7FC0});
  const Bf16Linear op = layer.gated(out.data());
  device.run(std::span(&op, 1));
  return out;
}

// FP32 sums of k products of BF16 lose at most k · 2^-24 of the sum of magnitudes, and much less
// when their signs are random.
void check_close(const Layer& layer, const std::vector<float>& found, bool bias, bool accumulate) {
  std::vector<float> expected = layer.y;
  std::vector<float> scratch(size(2, layer.k));
  reference::bf16_linear(layer.op(bias, accumulate, expected.data()), 0, layer.n, scratch.data());
  const double tolerance = 1e-6 * (magnitude(layer) + 1);
  double error = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    error = std::max(error, std::abs(static_cast<double>(found[i] - expected[i])));
  BOOST_TEST(error <= tolerance,
             type_name(layer.type) << " rows " << layer.rows << " k " << layer.k << " n " << layer.n
                                   << ": error " << error << " > " << tolerance);
}

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

std::int32_t whole_blocks(TensorType type, std::int32_t k) {
  const auto values = static_cast<std::int32_t>(block_shape(type).values);
  return (k + values - 1) / values * values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bf16_linear)

BOOST_AUTO_TEST_CASE(every_type_is_expanded_and_multiplied_as_the_reference_does) {
  for (const auto& device : all_cpu_devices(2)) {
    for (const TensorType type : kAllTypes) {
      for (const auto& [rows, k, n] :
           {std::array{1, 100, 40}, std::array{5, 512, 33}, std::array{37, 300, 70}}) {
        const Layer layer(type, rows, whole_blocks(type, k), n);
        check_close(layer, result(*device, layer, rows == 5, rows == 37), rows == 5, rows == 37);
      }
    }
  }
}

// Rows of the identity pick single weights.
BOOST_AUTO_TEST_CASE(weights_are_the_files_values_rounded_to_bf16) {
  for (const auto& device : all_cpu_devices(1)) {
    for (const TensorType type : kAllTypes) {
      const std::int32_t k = whole_blocks(type, 96);
      Layer layer(type, k, k, 20);
      for (std::size_t i = 0; i < layer.x.size(); ++i)
        layer.x[i] = i % size(k) == i / size(k) ? 1.0F : 0.0F;
      layer.pack();
      const std::vector<float> y = result(*device, layer, false, false);
      std::vector<float> row(size(k));
      int different = 0;
      for (std::int32_t j = 0; j < layer.n; ++j) {
        reference::expand_row(
            type, layer.weights.data() + size(j) * row_bytes(type, k), k, row.data());
        for (std::int32_t i = 0; i < k; ++i) {
          const float expected = to_float(reference::to_bf16(row[size(i)]));
          different += y[size(i, layer.n) + size(j)] == expected ? 0 : 1;
        }
      }
      BOOST_TEST(different == 0, type_name(type));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_number_of_rows_gives_each_row_the_same_bits) {
  for (const auto& device : all_cpu_devices(2)) {
    const bool fast = device->prefers_bf16();
    Layer layer(TensorType::kQ4_1, fast ? 70 : 20, 608, 77);  // three stretches of k
    const std::vector<float> whole = result(*device, layer, true, true);
    check_close(layer, whole, true, true);
    for (; layer.rows > 0; --layer.rows) {
      layer.pack();
      const std::vector<float> found = result(*device, layer, true, true);
      BOOST_TEST(std::equal(found.begin(), found.end(), whole.begin()), "rows " << layer.rows);
    }
  }
}

BOOST_AUTO_TEST_CASE(neighbours_do_not_change_a_rows_bits) {
  for (const auto& device : all_cpu_devices(1)) {
    const Layer many(TensorType::kQ5_0, 35, 576, 48);
    const std::vector<float> whole = result(*device, many, false, false);
    for (const std::int32_t row : {0, 15, 16, 31, 34}) {
      Layer one(TensorType::kQ5_0, 1, 576, 48);
      std::copy_n(many.x.begin() + std::ptrdiff_t{row} * 576, 576, one.x.begin());
      one.pack();
      const std::vector<float> found = result(*device, one, false, false);
      BOOST_TEST(std::equal(found.begin(), found.end(), whole.begin() + std::ptrdiff_t{row} * 48));
    }
  }
}

BOOST_AUTO_TEST_CASE(threads_that_have_rows_of_their_own_do_not_change_a_bit) {
  const auto one = all_cpu_devices(1);
  const auto three = all_cpu_devices(3);
  const Layer layer(TensorType::kQ4_1, 401, 64, 50);  // 384 rows and more are shared out by rows
  for (std::size_t i = 0; i < one.size(); ++i) {
    BOOST_TEST(same_bits(result(*three[i], layer, true, true), result(*one[i], layer, true, true)));
    BOOST_TEST(same_bits(gated_result(*three[i], layer), gated_result(*one[i], layer)));
  }
}

BOOST_AUTO_TEST_CASE(threads_and_a_split_of_the_columns_do_not_change_a_bit) {
  const auto one = all_cpu_devices(1);
  const auto three = all_cpu_devices(3);
  for (std::size_t i = 0; i < one.size(); ++i) {
    const Layer layer(TensorType::kQ8_0, 33, 320, 200);
    const std::vector<float> whole = result(*one[i], layer, true, false);
    BOOST_TEST(same_bits(result(*three[i], layer, true, false), whole));
    BOOST_TEST(same_bits(gated_result(*three[i], layer), gated_result(*one[i], layer)));
    Layer part(TensorType::kQ8_0, 33, 320, 8);  // columns 192 … 199 as a layer of their own
    std::copy_n(layer.weights.begin() + 192 * 340, 8 * 340, part.weights.begin());
    std::copy_n(layer.bias.begin() + 192, 8, part.bias.begin());
    const std::vector<float> found = result(*one[i], part, true, false);
    for (std::int32_t r = 0; r < 33; ++r)
      BOOST_TEST(std::equal(found.begin() + r * 8,
                            found.begin() + r * 8 + 8,
                            whole.begin() + std::ptrdiff_t{r} * 200 + 192));
  }
}

BOOST_AUTO_TEST_CASE(several_layers_share_one_run) {
  for (const auto& device : all_cpu_devices(2)) {
    const Layer a(TensorType::kQ6_K, 3, 256, 100);
    const Layer b(TensorType::kF16, 3, 256, 7);
    std::vector<float> ya = a.y;
    std::vector<float> yb = b.y;
    const Bf16Linear ops[] = {a.op(false, false, ya.data()), b.op(true, false, yb.data())};
    device->run(std::span<const Bf16Linear>(ops));
    BOOST_TEST(same_bits(ya, result(*device, a, false, false)));
    BOOST_TEST(same_bits(yb, result(*device, b, true, false)));
  }
}

// The exponential and FP32 sums differ by some 1e-6, which may tip a value to the other BF16.
BOOST_AUTO_TEST_CASE(a_gated_layer_writes_the_next_layers_input) {
  for (const auto& device : all_cpu_devices(2)) {
    for (const auto& [rows, k, n] : {std::array{1, 64, 32},
                                     std::array{2, 608, 50},
                                     std::array{9, 96, 77},
                                     std::array{40, 576, 131}}) {
      Layer layer(TensorType::kQ4_0, rows, k, n);
      for (float& value : layer.x) value *= 0.1F;
      layer.pack();
      const std::vector<Bf16> found = gated_result(*device, layer);
      std::vector<Bf16> expected(found.size(), Bf16{0x7FC0});
      std::vector<float> scratch(size(2, k));
      reference::bf16_linear(layer.gated(expected.data()), 0, n, scratch.data());
      for (std::size_t i = 0; i < found.size(); ++i) {
        const float difference = std::abs(to_float(found[i]) - to_float(expected[i]));
        BOOST_REQUIRE(difference <= std::abs(to_float(expected[i])) * 0x1p-7F + 1e-4F);
      }
      const std::int32_t padded = bf16_padded_k(n);
      for (std::int32_t r = 0; r < rows; ++r) {
        for (std::int32_t j = n; j < padded; ++j)
          BOOST_TEST(to_float(found[bf16_index(rows, padded, r, j)]) == 0.0F);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_gated_row_has_the_same_bits_in_any_company) {
  for (const auto& device : all_cpu_devices(2)) {
    constexpr std::int32_t kColumns = 80;
    Layer layer(TensorType::kQ4_K, 37, 512, kColumns);
    const std::vector<Bf16> whole = gated_result(*device, layer);
    const std::int32_t padded = bf16_padded_k(kColumns);
    for (const std::int32_t rows : {33, 17, 16, 5, 2, 1}) {  // x shrinks
      layer.rows = rows;
      layer.pack();
      const std::vector<Bf16> found = gated_result(*device, layer);
      for (std::int32_t j = 0; j < kColumns; ++j)
        BOOST_TEST(found[bf16_index(rows, padded, rows - 1, j)] ==
                   whole[bf16_index(37, padded, rows - 1, j)]);
    }
  }
}

BOOST_AUTO_TEST_CASE(rows_are_packed_with_and_without_a_norm_as_the_reference_does) {
  for (const auto& device : all_cpu_devices(2)) {
    for (const std::int32_t rows : {1, 2, 16, 17, 40}) {
      for (const std::int32_t k : {1, 17, 31, 32, 48, 100, 576}) {
        std::vector<float> x = random_floats(size(rows, k), 6);
        x[0] = 1e-40F;  // becomes zero
        std::vector<Bf16> found(size(rows, bf16_padded_k(k)), Bf16{0x7FC0});
        device->run(PackBf16{.x = x.data(), .out = found.data(), .rows = rows, .k = k});
        BOOST_TEST(same_bits(found, packed(x, k)),
                   device->backend() << " rows " << rows << " k " << k);
        const std::vector<float> weight = random_floats(size(k), 7);
        std::vector<float> normed(x.size());
        device->run(RmsNorm{
            .x = x.data(), .weight = weight.data(), .y = normed.data(), .rows = rows, .k = k});
        device->run(PackBf16{.x = x.data(),
                             .norm_weight = weight.data(),
                             .out = found.data(),
                             .rows = rows,
                             .k = k});
        BOOST_TEST(same_bits(found, packed(normed, k)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_stay_in_their_row) {
  for (const auto& device : all_cpu_devices(1)) {
    Layer layer(TensorType::kQ4_1, 18, 64, 40);
    layer.x[64 * 2] = std::numeric_limits<float>::quiet_NaN();
    layer.x[64 * 17 + 5] = std::numeric_limits<float>::infinity();
    layer.pack();
    const std::vector<float> y = result(*device, layer, true, false);
    for (std::size_t i = 0; i < y.size(); ++i)
      BOOST_TEST(std::isfinite(y[i]) == (i / 40 != 2 && i / 40 != 17));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

#include <algorithm>
#include <array>
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/kernels/random_weights.hpp"

namespace troupe::kernels {
namespace {

std::size_t size(std::int32_t a, std::int32_t b = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
}

std::vector<std::int8_t> random_bytes(std::size_t count, std::uint32_t seed) {
  std::mt19937 bits(seed);
  std::vector<std::int8_t> values(count);
  for (std::int8_t& value : values)
    value = static_cast<std::int8_t>(static_cast<int>(bits() % 255) - 127);
  return values;
}

// Tiles start on a cache line, as the kernels ask for.
template <typename T>
struct Aligned {
  explicit Aligned(std::size_t count) : storage(count + 64 / sizeof(T)) {
    void* at = storage.data();
    std::size_t space = storage.size() * sizeof(T);
    data = static_cast<T*>(std::align(64, count * sizeof(T), at, space));
  }

  std::vector<T> storage;
  T* data;
};

// A layer with random operands; rows of x beyond `rows` hold what must not matter.
struct Layer {
  Layer(std::int32_t rows_to_hold, std::int32_t k_of_x, std::int32_t n_of_y)
      : rows(rows_to_hold),
        k(k_of_x),
        n(n_of_y),
        padded(int8_padded_k(k)),
        tiles(size(int8_padded_n(n), padded)),
        scales(size(int8_padded_n(n))),
        sums(size(int8_padded_n(n))),
        w(random_bytes(size(n, k), 1)),
        x(random_bytes(size(int8_padded_rows(rows), padded), 2)),
        x_scale(random_floats(size(rows), 3)),
        bias(random_floats(size(n), 4)),
        y(random_floats(size(rows, n), 5)) {
    const std::vector<float> random_scales = random_floats(size(n), 6);
    for (std::int32_t j = 0; j < n; ++j) {
      scales.data[j] = random_scales[size(j)];
      for (std::int32_t i = 0; i < k; ++i) {
        const std::int8_t value = w[size(j, k) + size(i)];
        tiles.data[int8_index(padded, j, i)] = value;
        sums.data[j] += 128 * value;
      }
    }
  }

  Int8Linear op(bool with_bias, Int8Output output, std::vector<float>& out) {
    return {.weights = {tiles.data, scales.data, sums.data, n, k},
            .x = x.data(),
            .x_scale = x_scale.data(),
            .bias = with_bias ? bias.data() : nullptr,
            .y = out.data(),
            .rows = rows,
            .y_stride = n,
            .output = output};
  }

  std::int32_t rows, k, n, padded;
  Aligned<std::int8_t> tiles;
  Aligned<float> scales;
  Aligned<std::int32_t> sums;
  std::vector<std::int8_t> w;  // [n, k]
  std::vector<std::int8_t> x;  // [padded rows, padded]
  std::vector<float> x_scale;
  std::vector<float> bias;
  std::vector<float> y;
};

float to_float(Bf16 value) { return std::bit_cast<float>(std::uint32_t{value} << 16); }

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<float> result(Device& device, Layer& layer, bool with_bias, Int8Output output) {
  std::vector<float> y = layer.y;
  const Int8Linear op = layer.op(with_bias, output, y);
  device.run(std::span(&op, 1));
  return y;
}

struct Quantized {
  std::vector<std::int8_t> q;
  std::vector<float> scale;
};

// `op` as it is but for the outputs.
Quantized quantized(Device& device, Quantize op) {
  Quantized result{std::vector<std::int8_t>(size(op.rows, int8_padded_k(op.k)), std::int8_t{99}),
                   std::vector<float>(size(op.rows))};
  op.q = result.q.data();
  op.scale = result.scale.data();
  device.run(op);
  return result;
}

Quantized quantized(Device& device, const std::vector<float>& x, std::int32_t k) {
  const auto rows = static_cast<std::int32_t>(x.size() / size(k));
  return quantized(device, Quantize{.x = x.data(), .rows = rows, .k = k, .x_stride = k});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(int8)

BOOST_AUTO_TEST_CASE(every_backend_and_number_of_rows_gives_the_references_bits) {
  for (const auto& device : all_cpu_devices(2)) {
    for (std::int32_t rows = 1; rows <= 40; ++rows) {
      Layer layer(rows, rows % 3 == 0 ? 200 : 64, rows % 2 == 0 ? 77 : 41);
      const bool with_bias = rows % 2 == 0;
      const Int8Output output = rows % 5 < 2 ? Int8Output::kAdd : Int8Output::kStore;
      std::vector<float> expected = layer.y;
      reference::int8_linear(layer.op(with_bias, output, expected), 0, layer.n, nullptr);
      BOOST_REQUIRE_MESSAGE(same_bits(result(*device, layer, with_bias, output), expected),
                            device->backend() << " rows " << rows);
    }
  }
}

BOOST_AUTO_TEST_CASE(shapes_of_real_layers_give_the_references_bits_too) {
  for (const auto& device : all_cpu_devices(2)) {
    for (const auto& [rows, k, n] : {std::array{3, 4864, 96}, std::array{70, 576, 160}}) {
      Layer layer(rows, k, n);
      std::vector<float> expected = layer.y;
      reference::int8_linear(layer.op(true, Int8Output::kAdd, expected), 0, layer.n, nullptr);
      BOOST_TEST(same_bits(result(*device, layer, true, Int8Output::kAdd), expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_largest_sums_are_exact) {
  constexpr std::int32_t kDeepest = kInt8DepthMax;
  Layer layer(5, kDeepest, 33);
  std::fill(layer.x.begin(), layer.x.end(), std::int8_t{127});
  for (std::int32_t j = 0; j < layer.n; ++j) {
    for (std::int32_t i = 0; i < layer.k; ++i)
      layer.tiles.data[int8_index(layer.padded, j, i)] = j % 2 == 0 ? 127 : -127;
    layer.sums.data[j] = (j % 2 == 0 ? 127 : -127) * 128 * kDeepest;
    layer.scales.data[j] = 1.0F;
  }
  std::fill(layer.x_scale.begin(), layer.x_scale.end(), 1.0F);
  for (const auto& device : all_cpu_devices(1)) {
    for (layer.rows = 1; layer.rows <= 5; layer.rows += 4) {
      const std::vector<float> y = result(*device, layer, false, Int8Output::kStore);
      BOOST_TEST(y[0] == static_cast<float>(127 * 127 * kDeepest));
      BOOST_TEST(y[1] == -static_cast<float>(127 * 127 * kDeepest));
    }
    layer.rows = 5;
  }
}

BOOST_AUTO_TEST_CASE(every_backend_quantises_to_the_references_bits) {
  for (const std::int32_t k : {1, 63, 64, 200, 384, 576, 896, 1536, 4096}) {
    std::vector<float> x = random_floats(size(9, k), 7);
    for (std::size_t i = 0; i < size(k); ++i) x[i] *= 1e30F;         // row 0: large
    for (std::size_t i = size(k); i < size(k, 2); ++i) x[i] = 0.0F;  // row 1: nothing
    x[size(k, 2)] = std::numeric_limits<float>::infinity();
    x[size(k, 3)] = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t i = size(k, 4); i < size(k, 5); ++i) x[i] *= 1e-35F;  // row 4: too small
    const auto scalar = make_cpu_device(1, CpuBackend::kScalar);
    const Quantized expected = quantized(*scalar, x, k);
    for (const auto& device : all_cpu_devices(3)) {
      const Quantized found = quantized(*device, x, k);
      BOOST_TEST(found.q == expected.q, device->backend() << " k " << k);
      for (const std::size_t row : {0U, 1U, 4U, 5U, 8U})
        BOOST_TEST(found.scale[row] == expected.scale[row]);
      BOOST_TEST(found.scale[1] == 0.0F);
      BOOST_TEST(found.scale[4] == 0.0F);
      BOOST_TEST(std::isnan(found.scale[2]));
      BOOST_TEST(std::isnan(found.scale[3]));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_that_is_not_finite_spoils_its_own_outputs_only) {
  for (const auto& device : all_cpu_devices(1)) {
    Layer layer(6, 64, 40);
    layer.x_scale[2] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> y = result(*device, layer, true, Int8Output::kStore);
    for (std::size_t i = 0; i < y.size(); ++i) BOOST_TEST(std::isnan(y[i]) == (i / 40 == 2));
  }
}

BOOST_AUTO_TEST_CASE(rotation_is_its_own_inverse_and_spreads_an_outlier_over_the_row) {
  for (const std::int32_t k : {64, 128, 192, 576, 896, 1536}) {
    std::vector<float> x(size(k));
    x[5] = 100.0F;
    std::vector<float> rotated = x;
    reference::rotate(rotated.data(), k);
    const auto largest = std::ranges::max_element(rotated, {}, [](float v) { return std::abs(v); });
    BOOST_TEST(std::abs(*largest) < 13.0F);
    BOOST_TEST(std::ranges::count(rotated, 0.0F) < 7 * k / 8);
    reference::rotate(rotated.data(), k);
    for (std::size_t i = 0; i < x.size(); ++i) BOOST_TEST(std::abs(rotated[i] - x[i]) < 1e-4F);
  }
}

// Rounding of x (relative to the row's largest value) and of w make an error of about 1/127 of the
// product of norms, spread over √k terms.
BOOST_AUTO_TEST_CASE(a_rotated_and_rounded_product_is_close_to_the_one_in_double) {
  constexpr std::int32_t k = 576;
  constexpr std::int32_t n = 48;
  constexpr std::int32_t rows = 7;
  const std::vector<float> x = random_floats(size(rows, k), 9);
  const std::vector<float> w = random_floats(size(n, k), 10);
  Layer layer(rows, k, n);
  for (std::int32_t j = 0; j < n; ++j) {
    std::vector<float> row(w.begin() + std::ptrdiff_t{j} * k,
                           w.begin() + std::ptrdiff_t{j + 1} * k);
    std::vector<std::int8_t> q(size(k));
    reference::rotate(row.data(), k);
    layer.scales.data[j] = reference::quantize_row(row.data(), k, q.data());
    layer.sums.data[j] = 0;
    for (std::int32_t i = 0; i < k; ++i) {
      layer.tiles.data[int8_index(k, j, i)] = q[size(i)];
      layer.sums.data[j] += 128 * q[size(i)];
    }
  }
  for (const auto& device : all_cpu_devices(1)) {
    const Quantized rounded = quantized(*device, x, k);
    std::copy(rounded.q.begin(), rounded.q.end(), layer.x.begin());
    layer.x_scale = rounded.scale;
    const std::vector<float> y = result(*device, layer, false, Int8Output::kStore);
    for (std::int32_t r = 0; r < rows; ++r) {
      for (std::int32_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int32_t i = 0; i < k; ++i)
          sum += static_cast<double>(x[size(r, k) + size(i)]) *
                 static_cast<double>(w[size(j, k) + size(i)]);
        // Norms are about √(k/3) each; the bound is some eight standard deviations.
        BOOST_TEST(std::abs(static_cast<double>(y[size(r, n) + size(j)]) - sum) < 0.5);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_gate_and_its_up_become_one_column) {
  constexpr std::int32_t n = 96;
  for (const std::int32_t rows : {1, 3, 20, 40}) {
    Layer layer(rows, 128, n);
    for (float& scale : layer.x_scale) scale = std::abs(scale) * 1e-3F;
    Int8Linear op = layer.op(true, Int8Output::kSiluMul, layer.y);
    constexpr Bf16 kUntouched = 0x1234;
    std::vector<Bf16> expected(size(rows, n), kUntouched);
    op.gated = expected.data();
    reference::int8_linear(op, 0, layer.n, nullptr);
    for (const auto& device : all_cpu_devices(2)) {
      std::vector<Bf16> y(size(rows, n), kUntouched);
      op.gated = y.data();
      device->run(std::span<const Int8Linear>(&op, 1));
      int differing = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        // The exponential of vectors errs by 6e-9, so that some values round to the other side, and
        // is never quite 0.
        const float want = to_float(expected[i]);
        const float error = i % size(n) < size(n / 2) ? std::abs(want) / 128.0F + 1e-20F : 0.0F;
        BOOST_REQUIRE(std::abs(to_float(y[i]) - want) <= error);
        differing += y[i] != expected[i] && std::abs(want) > 1e-20F ? 1 : 0;
      }
      BOOST_TEST(differing <= rows * n / 100);
    }
  }
}

// From 64 rows a thread on rows are shared out, so that every pointer of a layer has an offset.
BOOST_AUTO_TEST_CASE(threads_that_have_rows_of_their_own_do_not_change_a_bit) {
  constexpr std::int32_t rows = 401;
  constexpr std::int32_t n = 96;
  constexpr std::int32_t stride = n + 16;
  Layer layer(rows, 128, n);
  for (float& scale : layer.x_scale) scale = std::abs(scale) * 1e-3F;
  const auto one = all_cpu_devices(1);
  const auto three = all_cpu_devices(3);
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (const Int8Output output : {Int8Output::kStore, Int8Output::kAdd, Int8Output::kSiluMul}) {
      std::vector<float> y[2];
      std::vector<Bf16> gated[2];
      for (const std::size_t which : {0U, 1U}) {
        y[which].assign(size(rows, stride), 0.5F);
        gated[which].assign(size(rows, stride), Bf16{0x1234});
        Int8Linear op = layer.op(true, output, y[which]);
        op.gated = gated[which].data();
        op.y_stride = stride;
        (which == 0 ? one : three)[i]->run(std::span<const Int8Linear>(&op, 1));
      }
      BOOST_TEST(same_bits(y[0], y[1]));
      BOOST_TEST((gated[0] == gated[1]));
      const bool is_gated = output == Int8Output::kSiluMul;
      const auto untouched =
          is_gated ? std::ranges::count(gated[1], Bf16{0x1234}) : std::ranges::count(y[1], 0.5F);
      // What is beyond the columns, and a value that happens to be the same.
      BOOST_TEST(untouched <= rows * (stride - (is_gated ? n / 2 : n)) + 20);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_input_of_bf16_is_quantised_as_its_floats) {
  for (const std::int32_t k : {24, 200, 1536}) {
    constexpr std::int32_t rows = 9;
    const std::int32_t stride = k + 16;
    std::vector<Bf16> gated(size(rows, stride));
    std::vector<float> x(size(rows, k));
    const std::vector<float> values = random_floats(gated.size(), 13);
    for (std::size_t i = 0; i < gated.size(); ++i) gated[i] = reference::to_bf16(values[i]);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = to_float(gated[i / size(k) * size(stride) + i % size(k)]);
    for (const auto& device : all_cpu_devices(2)) {
      const Quantized expected = quantized(*device, x, k);
      const Quantized found = quantized(
          *device, Quantize{.gated = gated.data(), .rows = rows, .k = k, .x_stride = stride});
      BOOST_TEST(found.q == expected.q, device->backend() << " k " << k);
      BOOST_TEST(found.scale == expected.scale);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_norm_on_the_way_changes_no_bit) {
  for (const std::int32_t k : {24, 200, 576, 896}) {
    constexpr std::int32_t rows = 40;
    const std::int32_t stride = k + 16;
    const std::vector<float> x = random_floats(size(rows, stride), 11);
    const std::vector<float> weight = random_floats(size(k), 12);
    for (const auto& device : all_cpu_devices(2)) {
      std::vector<float> normed(size(rows, k));
      for (std::int32_t r = 0; r < rows; ++r)
        device->run(RmsNorm{.x = x.data() + size(r, stride),
                            .weight = weight.data(),
                            .y = normed.data() + size(r, k),
                            .rows = 1,
                            .k = k});
      const Quantized expected = quantized(*device, normed, k);
      const Quantized found = quantized(
          *device,
          Quantize{.x = x.data(), .norm = weight.data(), .rows = rows, .k = k, .x_stride = stride});
      BOOST_TEST(found.q == expected.q, device->backend() << " k " << k);
      BOOST_TEST(found.scale == expected.scale);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

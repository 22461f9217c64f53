#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
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

constexpr std::int32_t kBits[] = {4, 5, 8};

std::size_t size(std::int32_t a, std::int32_t b = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
}

struct Free {
  void operator()(void* data) const { std::free(data); }
};

// A layer whose blocks hold every pattern of bits, with scales and minima of 2^-9 … 2^-5.
struct Layer {
  Layer(std::int32_t bits_of_w, std::int32_t rows_of_x, std::int32_t k_of_x, std::int32_t n_of_y)
      : bits(bits_of_w),
        rows(rows_of_x),
        k(k_of_x),
        n(n_of_y),
        blocks(static_cast<std::byte*>(std::aligned_alloc(64, grouped_bytes(bits, n, k)))),
        x(random_floats(size(rows, k), 1)),
        bias(random_floats(size(n), 2)),
        y(random_floats(size(rows, n), 3)) {
    std::mt19937 random(4);
    const std::size_t block = grouped_block_bytes(bits);
    for (std::size_t at = 0; at < grouped_bytes(bits, n, k); ++at)
      blocks.get()[at] = static_cast<std::byte>(random());
    for (std::size_t at = 0; at < grouped_bytes(bits, n, k); at += block) {
      for (std::size_t i = at + grouped_scales_at(bits); i < at + block; i += 2) {
        const auto half =
            static_cast<std::uint16_t>((random() & 0x83FFU) | (6 + random() % 4) << 10);
        std::memcpy(blocks.get() + i, &half, sizeof half);
      }
    }
  }

  GroupedLinear op(bool with_bias, bool accumulate, std::vector<float>& out) const {
    return {.weights = {blocks.get(), bits, n, k},
            .x = x.data(),
            .bias = with_bias ? bias.data() : nullptr,
            .y = out.data(),
            .rows = rows,
            .accumulate = accumulate};
  }

  std::vector<float> run(Device& device, bool with_bias, bool accumulate) const {
    std::vector<float> out = y;
    const GroupedLinear layer = op(with_bias, accumulate, out);
    device.run(std::span(&layer, 1));
    return out;
  }

  std::int32_t bits, rows, k, n;
  std::unique_ptr<std::byte, Free> blocks;
  std::vector<float> x, bias, y;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// w[column, k] in double, read by the layout's own words.
double weight(const Layer& layer, std::int32_t column, std::int32_t k) {
  Layer one(layer.bits, 1, layer.k, layer.n);
  std::memcpy(one.blocks.get(), layer.blocks.get(), grouped_bytes(layer.bits, layer.n, layer.k));
  std::fill(one.x.begin(), one.x.end(), 0.0F);
  one.x[size(k)] = 127.0F;  // rounds without error
  std::vector<float> out(size(layer.n));
  const std::int32_t padded = grouped_padded_k(layer.k);
  std::vector<std::int8_t> q(size(padded));
  std::vector<float> scale(size(padded / kGroupValues));
  std::vector<float> sum(scale.size());
  const GroupedInput x{q.data(), scale.data(), sum.data()};
  reference::group_rows(one.x.data(), layer.k, x, 0, 1);
  reference::grouped_linear(one.op(false, false, out), x, column, column + 1);
  return static_cast<double>(out[size(column)]) / 127.0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(grouped)

BOOST_AUTO_TEST_CASE(every_backend_and_number_of_rows_gives_the_references_bits) {
  const auto scalar = make_cpu_device(1, CpuBackend::kScalar);
  for (const std::int32_t bits : kBits) {
    for (std::int32_t rows = 1; rows <= 9; ++rows) {
      const Layer layer(bits,
                        rows,
                        rows % 3 == 0   ? 200
                        : rows % 3 == 1 ? 64
                                        : 96,
                        41 + 36 * (rows % 2));
      const bool with_bias = rows % 2 == 0;
      const bool accumulate = rows % 5 < 2;
      const std::vector<float> expected = layer.run(*scalar, with_bias, accumulate);
      for (const auto& device : all_cpu_devices(2)) {
        BOOST_REQUIRE_MESSAGE(same_bits(layer.run(*device, with_bias, accumulate), expected),
                              device->backend() << " bits " << bits << " rows " << rows);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_has_the_same_bits_in_any_company_and_on_any_threads) {
  for (const auto& device : all_cpu_devices(3)) {
    const Layer all(4, 7, 576, 160);
    const std::vector<float> together = all.run(*device, true, false);
    for (std::int32_t r = 0; r < all.rows; ++r) {
      Layer one(4, 1, 576, 160);
      std::copy_n(all.x.begin() + std::ptrdiff_t{r} * 576, 576, one.x.begin());
      const std::vector<float> alone = one.run(*device, true, false);
      BOOST_TEST(std::memcmp(alone.data(), together.data() + r * 160, 160 * sizeof(float)) == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(layers_of_one_input_may_share_a_call) {
  for (const auto& device : all_cpu_devices(2)) {
    const Layer wide(4, 2, 128, 100);
    const Layer narrow(8, 2, 128, 33);
    std::vector<float> a = wide.y;
    std::vector<float> b = narrow.y;
    const std::array ops{wide.op(false, false, a), narrow.op(false, false, b)};
    device->run(std::span<const GroupedLinear>(ops));
    BOOST_TEST(same_bits(a, wide.run(*device, false, false)));
    BOOST_TEST(same_bits(b, narrow.run(*device, false, false)));
  }
}

// Rounding of x to 1/127 of a group's largest value, at worst half a step, spread over √k terms.
BOOST_AUTO_TEST_CASE(a_product_is_close_to_the_one_in_double) {
  const auto device = make_cpu_device(1);
  for (const std::int32_t bits : kBits) {
    const Layer layer(bits, 1, 96, 40);
    const std::vector<float> y = layer.run(*device, false, false);
    for (const std::int32_t column : {0, 15, 16, 39}) {
      double sum = 0;
      double size_of_w = 0;
      for (std::int32_t k = 0; k < layer.k; ++k) {
        const double w = weight(layer, column, k);
        sum += w * static_cast<double>(layer.x[size(k)]);
        size_of_w += w * w;
      }
      const double deviation = std::sqrt(size_of_w) / 127 / 2;
      BOOST_TEST(std::abs(static_cast<double>(y[size(column)]) - sum) < 3 * deviation);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_that_is_not_finite_spoils_its_own_outputs_only) {
  for (const auto& device : all_cpu_devices(1)) {
    Layer layer(5, 6, 64, 40);
    layer.x[size(2, 64) + 40] = std::numeric_limits<float>::infinity();
    layer.x[size(4, 64)] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> y = layer.run(*device, true, false);
    for (std::size_t i = 0; i < y.size(); ++i)
      BOOST_TEST(std::isnan(y[i]) == (i / 40 == 2 || i / 40 == 4));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

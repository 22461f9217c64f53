#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/kernels/random_weights.hpp"

namespace troupe::kernels {
namespace {

// Relative to the expected value; FP32 has 2^-24, a handful of roundings and the polynomial's 6e-9
// stay below 16 of it.
void check_close(std::string_view backend,
                 const std::vector<float>& found,
                 const std::vector<float>& expected) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double want = static_cast<double>(expected[i]);
    const double error = std::abs(static_cast<double>(found[i]) - want);
    BOOST_REQUIRE_MESSAGE(error <= 16 * 0x1p-24 * std::abs(want) + 1e-37,
                          backend << " element " << i << " is " << found[i] << ", not " << want);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise)

BOOST_AUTO_TEST_CASE(rms_norm_agrees_with_the_reference_at_odd_widths) {
  for (const auto& device : all_cpu_devices(2)) {
    for (const std::int32_t k : {1, 7, 16, 33, 576, 899}) {
      const std::int32_t rows = 41;
      const auto x = random_floats(static_cast<std::size_t>(rows * k), 3);
      const auto weight = random_floats(static_cast<std::size_t>(k), 4);
      std::vector<float> found(x.size());
      std::vector<float> expected(x.size());
      RmsNorm op{.x = x.data(),
                 .weight = weight.data(),
                 .y = found.data(),
                 .rows = rows,
                 .k = k,
                 .epsilon = 1e-5F};
      device->run(op);
      op.y = expected.data();
      reference::rms_norm(op, 0, rows);
      check_close(device->backend(), found, expected);
    }
  }
}

BOOST_AUTO_TEST_CASE(silu_mul_agrees_with_the_reference_over_the_whole_range) {
  for (const auto& device : all_cpu_devices(2)) {
    std::vector<float> gate = random_floats(9001, 5);
    for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= i % 3 == 0 ? 60.0F : 4.0F;
    const auto up = random_floats(gate.size(), 6);
    std::vector<float> found(gate.size());
    std::vector<float> expected(gate.size());
    SiluMul op{.gate = gate.data(),
               .up = up.data(),
               .out = found.data(),
               .values = static_cast<std::int64_t>(gate.size())};
    device->run(op);
    op.out = expected.data();
    reference::silu_mul(op, 0, op.values);
    check_close(device->backend(), found, expected);
  }
}

BOOST_AUTO_TEST_CASE(silu_mul_keeps_what_is_not_a_number_and_survives_extremes) {
  for (const auto& device : all_cpu_devices(1)) {
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> gate = {
        std::numeric_limits<float>::quiet_NaN(), 1e30F, -1e30F, infinity, 0.0F};
    const std::vector<float> up(gate.size(), 1.0F);
    std::vector<float> out(gate.size());
    device->run(SiluMul{.gate = gate.data(), .up = up.data(), .out = out.data(), .values = 5});
    BOOST_TEST(std::isnan(out[0]));
    BOOST_TEST(out[1] == 1e30F);
    BOOST_TEST(std::abs(out[2]) < 1e-6F);
    BOOST_TEST(out[3] == infinity);
    BOOST_TEST(out[4] == 0.0F);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

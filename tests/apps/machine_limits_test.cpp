// What an op's time is held against, for each backend, and where the rates come from.
#include "apps/machine_limits.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string_view>

#include "apps/calibration.hpp"
#include "tests/kernels/backends.hpp"

namespace troupe::apps {
namespace {

using kernels::Arithmetic;
using kernels::OpCost;

constexpr std::uint64_t kGiga = 1'000'000'000;
constexpr std::uint64_t kTera = 1'000'000'000'000;
constexpr double kTolerance = 1e-9;  // of the quotient
constexpr Arithmetic kAll[] = {
    Arithmetic::kInt8, Arithmetic::kGroupedInt8, Arithmetic::kBf16, Arithmetic::kFp32};

// All rates differ, so that one in the place of another shows.
const Calibration kMachine{.amx_int8_tops = 10.0,
                           .avx512_int8_tops = 2.0,
                           .avx512_bf16_tops = 1.0,
                           .avx512_fp32_tops = 0.6,
                           .avx_vnni_int8_tops = 0.8,
                           .avx2_int8_tops = 0.4,
                           .avx2_fp32_tops = 0.3,
                           .memory_read_gb_per_s = 20.0};

OpCost op_of(std::uint64_t memory_bytes, std::uint64_t operations, Arithmetic arithmetic) {
  return {.name = "an op",
          .memory_bytes = memory_bytes,
          .cache_bytes = kGiga,
          .operations = operations,
          .arithmetic = arithmetic};
}

// The rate that bounds an op which is all products; 0: none does.
double tops_of(const MachineLimits& limits, Arithmetic arithmetic) {
  const auto seconds = limit_seconds(op_of(1, kTera, arithmetic), limits);
  return seconds ? 1 / *seconds : 0.0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(machine_limits)

BOOST_AUTO_TEST_CASE(the_limit_is_whichever_of_memory_and_products_takes_longer) {
  const MachineLimits limits = limits_of(kMachine, "amx");
  const auto memory = limit_seconds(op_of(2 * kGiga, kTera / 100, Arithmetic::kInt8), limits);
  BOOST_TEST(memory.value() == 0.1, boost::test_tools::tolerance(kTolerance));
  const auto compute = limit_seconds(op_of(kGiga, 10 * kTera, Arithmetic::kInt8), limits);
  BOOST_TEST(compute.value() == 1.0, boost::test_tools::tolerance(kTolerance));
}

// Tiles do BF16 at half the rate of int8, and leave int8 of groups to vectors; a backend without
// BF16 products, or narrower than the CPU, is not held against what it does not run.
BOOST_AUTO_TEST_CASE(each_backend_is_held_against_the_instructions_that_it_runs) {
  const struct {
    std::string_view backend;
    double tops[4];  // in the order of kAll
  } expected[] = {{"amx", {10.0, 2.0, 5.0, 0.6}},
                  {"avx512_bf16", {2.0, 2.0, 1.0, 0.6}},
                  {"avx512", {2.0, 2.0, 0.6, 0.6}},
                  {"avx512f", {0.4, 0.4, 0.6, 0.6}},
                  {"avx_vnni", {0.8, 0.8, 0.3, 0.3}},
                  {"avx2", {0.4, 0.4, 0.3, 0.3}},
                  {"scalar", {0.0, 0.0, 0.0, 0.0}}};

  for (const auto& row : expected) {
    const MachineLimits limits = limits_of(kMachine, row.backend);
    for (std::size_t i = 0; i < std::size(kAll); ++i) {
      BOOST_TEST_CONTEXT(row.backend << ", arithmetic " << i) {
        BOOST_TEST(tops_of(limits, kAll[i]) == row.tops[i],
                   boost::test_tools::tolerance(kTolerance));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(plain_code_has_the_limit_of_memory_alone) {
  const MachineLimits limits = limits_of(kMachine, "scalar");
  const auto weights = limit_seconds(op_of(2 * kGiga, kTera, Arithmetic::kInt8), limits);
  BOOST_TEST(weights.value() == 0.1, boost::test_tools::tolerance(kTolerance));
  BOOST_TEST(!limit_seconds(op_of(1, kTera, Arithmetic::kInt8), limits));
}

BOOST_AUTO_TEST_CASE(an_op_on_activations_that_counts_no_operations_has_no_limit) {
  BOOST_TEST(!limit_seconds(op_of(1, 0, Arithmetic::kFp32), limits_of(kMachine, "avx512")));
}

BOOST_AUTO_TEST_CASE(of_two_calibrations_the_higher_rate_counts_each_for_itself) {
  Calibration slow = kMachine;
  slow.avx512_int8_tops = 1.0;
  slow.avx_vnni_int8_tops = 0.7;
  slow.avx2_fp32_tops = 0.5;
  slow.amx_int8_tops = std::nullopt;
  slow.memory_read_gb_per_s = 30.0;
  for (const Calibration& c : {fastest_of(slow, kMachine), fastest_of(kMachine, slow)}) {
    BOOST_TEST(c.amx_int8_tops.value() == 10.0);
    BOOST_TEST(c.avx512_int8_tops.value() == 2.0);
    BOOST_TEST(c.avx512_bf16_tops.value() == 1.0);
    BOOST_TEST(c.avx512_fp32_tops.value() == 0.6);
    BOOST_TEST(c.avx_vnni_int8_tops.value() == 0.8);
    BOOST_TEST(c.avx2_int8_tops.value() == 0.4);
    BOOST_TEST(c.avx2_fp32_tops.value() == 0.5);
    BOOST_TEST(c.memory_read_gb_per_s == 30.0);
  }
  BOOST_TEST(!fastest_of(Calibration{}, Calibration{}).avx2_fp32_tops);
}

// No core can do more: tiles of 16 × 16 × 64 products every 16 cycles at 6 GHz are 12.3 TOPS. A
// loop that the compiler emptied would show thousands.
BOOST_AUTO_TEST_CASE(every_backend_of_this_machine_has_plausible_rates) {
  constexpr double kTopsMax = 13.0;
  const Calibration calibration = calibrate(1);
  BOOST_TEST(std::isfinite(calibration.memory_read_gb_per_s));
  BOOST_TEST(calibration.memory_read_gb_per_s > 0.0);
  for (const auto& device : kernels::all_cpu_devices(1)) {
    if (device->backend() == "scalar") continue;
    const MachineLimits limits = limits_of(calibration, device->backend());
    for (const auto& rate :
         {limits.int8_tops, limits.grouped_int8_tops, limits.bf16_tops, limits.fp32_tops}) {
      BOOST_TEST_CONTEXT(device->backend()) {
        BOOST_TEST_REQUIRE(rate.has_value());
        BOOST_TEST((*rate > 0.0 && *rate < kTopsMax), *rate << " TOPS");
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::apps

// What a profile holds an op's time against.
#include "apps/bench_profile.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace troupe::apps {
namespace {

using kernels::Arithmetic;
using kernels::OpCost;

constexpr double kTolerance = 1e-9;  // of the quotient
const Calibration kMachine{.amx_int8_tops = 10.0, .memory_read_gb_per_s = 20.0};

OpCost layer(std::uint64_t bytes, std::uint64_t operations, Arithmetic arithmetic) {
  OpCost cost;
  cost.name = "int8_linear";
  cost.memory_bytes = bytes;
  cost.operations = operations;
  cost.arithmetic = arithmetic;
  return cost;
}

double limit_of(const OpCost& cost, const Calibration& machine = kMachine) {
  return limit_seconds(cost, machine).value_or(-1.0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bench_profile)

BOOST_AUTO_TEST_CASE(the_limit_is_whichever_of_memory_and_tiles_takes_longer) {
  const std::uint64_t gigabyte = 1'000'000'000;
  const std::uint64_t tera = 1'000'000'000'000;
  BOOST_TEST(limit_of(layer(2 * gigabyte, tera / 100, Arithmetic::kInt8)) == 0.1,
             boost::test_tools::tolerance(kTolerance));
  BOOST_TEST(limit_of(layer(gigabyte, 10 * tera, Arithmetic::kInt8)) == 1.0,
             boost::test_tools::tolerance(kTolerance));
}

BOOST_AUTO_TEST_CASE(tiles_do_bf16_at_half_the_rate_of_int8) {
  const std::uint64_t tera = 1'000'000'000'000;
  BOOST_TEST(limit_of(layer(1, tera, Arithmetic::kBf16)) ==
                 2 * limit_of(layer(1, tera, Arithmetic::kInt8)),
             boost::test_tools::tolerance(kTolerance));
}

BOOST_AUTO_TEST_CASE(ops_on_activations_have_no_calibrated_limit) {
  OpCost norm;
  norm.cache_bytes = 1'000'000;
  norm.operations = 1'000'000;
  BOOST_TEST(!limit_seconds(norm, kMachine));
}

BOOST_AUTO_TEST_CASE(without_a_tile_unit_memory_alone_is_the_limit) {
  const Calibration machine{.amx_int8_tops = std::nullopt, .memory_read_gb_per_s = 20.0};
  BOOST_TEST(limit_of(layer(2'000'000'000, 1, Arithmetic::kInt8), machine) == 0.1,
             boost::test_tools::tolerance(kTolerance));
}

BOOST_AUTO_TEST_CASE(the_json_adds_up_to_the_phase) {
  kernels::OpProfile op;
  op.cost = layer(2'000'000'000, 1, Arithmetic::kInt8);
  op.runs = 3;
  op.seconds = 0.2;
  BenchProfile profile;
  profile.prefill = {.seconds = 0.5, .steps = 1, .ops = {op}};
  profile.decode = {.seconds = 0.5, .steps = 2, .ops = {op}};
  const auto json = profile_json(profile, kMachine);
  const auto& prefill = json["prefill"];
  BOOST_TEST(prefill["ops"][0]["time_share"].get<double>() == 0.4,
             boost::test_tools::tolerance(kTolerance));
  BOOST_TEST(prefill["ops"][0]["limit_share"].get<double>() == 0.5,
             boost::test_tools::tolerance(kTolerance));
  BOOST_TEST(prefill["other_seconds"].get<double>() == 0.3,
             boost::test_tools::tolerance(kTolerance));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::apps

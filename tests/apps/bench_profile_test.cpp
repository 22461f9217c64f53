// What a profile says about ops.
#include "apps/bench_profile.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace troupe::apps {
namespace {

constexpr double kTolerance = 1e-9;  // of the quotient
const MachineLimits kMachine{.int8_tops = 10.0, .memory_read_gb_per_s = 20.0};

}  // namespace

BOOST_AUTO_TEST_SUITE(bench_profile)

BOOST_AUTO_TEST_CASE(the_json_adds_up_to_the_phase) {
  kernels::OpProfile op;
  op.cost = {.name = "int8_linear",
             .memory_bytes = 2'000'000'000,
             .operations = 1,
             .arithmetic = kernels::Arithmetic::kInt8};
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

BOOST_AUTO_TEST_CASE(an_op_that_nothing_is_calibrated_for_has_no_share) {
  kernels::OpProfile op;
  op.cost = {.name = "embedding", .memory_bytes = 10, .cache_bytes = 100};
  op.runs = 1;
  op.seconds = 0.2;
  BenchProfile profile;
  profile.prefill = profile.decode = {.seconds = 0.5, .steps = 1, .ops = {op}};
  BOOST_TEST(profile_json(profile, kMachine)["decode"]["ops"][0]["limit_share"].is_null());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::apps

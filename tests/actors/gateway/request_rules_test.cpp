// The ranges that both doors share, at their edges.
#include "actors/gateway/request_rules.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "config/limits.hpp"

namespace troupe::actors::gateway {
namespace {

using messages::Sampling;

std::string param_of(const Sampling& sampling) {
  const auto fault = find_fault(sampling);
  return fault ? fault->param : "";
}

BOOST_AUTO_TEST_SUITE(request_rules)

BOOST_AUTO_TEST_CASE(the_edges_of_every_range_are_inside) {
  BOOST_TEST(param_of({}) == "");
  BOOST_TEST(param_of({.temperature = 0.0F, .top_p = 1.0F, .min_p = 1.0F}) == "");
  BOOST_TEST(param_of({.temperature = 2.0F, .top_p = 1e-6F, .min_p = 0.0F}) == "");
  BOOST_TEST(param_of({.frequency_penalty = -2.0F, .presence_penalty = 2.0F}) == "");
  BOOST_TEST(param_of({.logit_bias = {{0, -100.0F}, {1, 100.0F}}}) == "");
  BOOST_TEST(param_of({.top_logprobs = config::kTopLogprobsMax}) == "");
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_are_in_no_range) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    BOOST_TEST(param_of({.temperature = bad}) == "temperature");
    BOOST_TEST(param_of({.top_p = bad}) == "top_p");
    BOOST_TEST(param_of({.min_p = bad}) == "min_p");
    BOOST_TEST(param_of({.repetition_penalty = bad}) == "repetition_penalty");
    BOOST_TEST(param_of({.frequency_penalty = bad}) == "frequency_penalty");
    BOOST_TEST(param_of({.presence_penalty = bad}) == "presence_penalty");
    BOOST_TEST(param_of({.logit_bias = {{1, bad}}}) == "logit_bias");
  }
}

BOOST_AUTO_TEST_CASE(lists_are_bounded_in_count_and_length) {
  Sampling biased;
  for (int i = 0; i <= 300; ++i) biased.logit_bias.emplace_back(i, 0.0F);
  BOOST_TEST(param_of(biased) == "logit_bias");
  biased.logit_bias.pop_back();
  BOOST_TEST(param_of(biased) == "");
  BOOST_TEST(param_of({.stop = std::vector<std::string>(17, "x")}) == "stop");
  BOOST_TEST(param_of({.stop = {std::string(257, 'x')}}) == "stop");
  BOOST_TEST(param_of({.stop = {std::string(256, 'x')}}) == "");
  BOOST_TEST(param_of({.stop = {"\xC3"}}) == "stop");
}

BOOST_AUTO_TEST_CASE(roles_are_those_that_templates_know) {
  BOOST_TEST(known_role("developer").value() == "system");
  BOOST_TEST(known_role("assistant").value() == "assistant");
  BOOST_TEST(!known_role("tool"));
  BOOST_TEST(!known_role(""));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway

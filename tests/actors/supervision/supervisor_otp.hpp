// Supervisors as Erlang/OTP's own tests set them up.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/actors/supervision/supervisor_stage.hpp"

namespace troupe::tests {

inline constexpr auto kEqual = boost::test_tools::per_element();

inline std::vector<ChildSpec> children(int count, RestartType type = RestartType::kPermanent) {
  std::vector<ChildSpec> specs;
  for (int i = 1; i <= count; ++i) specs.push_back(child_of("c" + std::to_string(i), type));
  return specs;
}

// `count` children that run.
inline Stage running(int count,
                     Strategy strategy = Strategy::kOneForOne,
                     RestartType type = RestartType::kPermanent) {
  Stage stage(children(count, type), otp(strategy));
  stage.all_ready();
  return stage;
}

inline Stage one(RestartType type) { return running(1, Strategy::kOneForOne, type); }

inline Stage simple(RestartType type, int count, std::uint32_t intensity = 2) {
  Stage stage({child_of("child", type)}, otp(Strategy::kSimpleOneForOne, intensity));
  for (int i = 0; i < count; ++i) {
    BOOST_REQUIRE(stage.add() == Reply::kOk);
    stage.ready("child-" + std::to_string(i + 1));
  }
  stage.clear();
  return stage;
}

inline Stage with_significant(AutoShutdown mode, RestartType type) {
  SupervisorPolicy policy = otp(Strategy::kOneForOne);
  policy.auto_shutdown = mode;
  std::vector<ChildSpec> specs = children(3, type);
  specs[1].significant = specs[2].significant = true;
  Stage stage(std::move(specs), policy);
  stage.all_ready();
  return stage;
}

}  // namespace troupe::tests

#include "apps/bench_profile.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace troupe::apps {
namespace {

using Json = nlohmann::ordered_json;
using kernels::OpProfile;

// Sampling, bookkeeping, and whatever else is between the ops.
double other_seconds(const PhaseProfile& phase) {
  double seconds = phase.seconds;
  for (const OpProfile& op : phase.ops) seconds -= op.seconds;
  return std::max(0.0, seconds);
}

std::string name_of(const kernels::OpCost& cost) {
  std::string name(cost.name);
  if (cost.n > 0) name += " " + std::to_string(cost.k) + "→" + std::to_string(cost.n);
  return name;
}

void print_phase(const char* phase_name,
                 const PhaseProfile& phase,
                 std::int32_t batch,
                 const MachineLimits& limits) {
  std::printf("\n%s, batch %d: %d steps, %.3f ms a step\n",
              phase_name,
              batch,
              phase.steps,
              phase.seconds / phase.steps * 1e3);
  // The arrow of a shape has three bytes and one column.
  std::printf("%-28s %8s %10s %7s %10s %10s %9s %9s %9s\n",
              "op",
              "runs",
              "ms a step",
              "time",
              "MB a step",
              "MFLOP",
              "GB/s",
              "GOP/s",
              "limit");
  for (const OpProfile& op : phase.ops) {
    const std::string name = name_of(op.cost);
    const auto limit = limit_seconds(op.cost, limits);
    std::printf("%-*s %8.1f %10.4f %6.1f%% %10.3f %10.2f %9.1f %9.1f ",
                name.find("→") == std::string::npos ? 28 : 30,
                name.c_str(),
                static_cast<double>(op.runs) / phase.steps,
                op.seconds / phase.steps * 1e3,
                op.seconds / phase.seconds * 100,
                static_cast<double>(op.cost.memory_bytes + op.cost.cache_bytes) / phase.steps / 1e6,
                static_cast<double>(op.cost.operations) / phase.steps / 1e6,
                static_cast<double>(op.cost.memory_bytes + op.cost.cache_bytes) / op.seconds / 1e9,
                static_cast<double>(op.cost.operations) / op.seconds / 1e9);
    limit ? std::printf("%8.1f%%\n", *limit / op.seconds * 100) : std::printf("%9s\n", "none");
  }
  std::printf("%-28s %8s %10.4f %6.1f%%\n",
              "sampling and the rest",
              "",
              other_seconds(phase) / phase.steps * 1e3,
              other_seconds(phase) / phase.seconds * 100);
}

Json op_json(const OpProfile& op, const PhaseProfile& phase, const MachineLimits& limits) {
  Json json{{"op", op.cost.name},
            {"k", op.cost.k},
            {"n", op.cost.n},
            {"runs", op.runs},
            {"seconds", op.seconds},
            {"time_share", op.seconds / phase.seconds},
            {"memory_bytes", op.cost.memory_bytes},
            {"cache_bytes", op.cost.cache_bytes},
            {"operations", op.cost.operations},
            {"limit_share", nullptr}};
  if (const auto limit = limit_seconds(op.cost, limits)) {
    json["limit_share"] = *limit / op.seconds;
  }
  return json;
}

Json phase_json(const PhaseProfile& phase, const MachineLimits& limits) {
  Json json{{"seconds", phase.seconds},
            {"steps", phase.steps},
            {"other_seconds", other_seconds(phase)},
            {"ops", Json::array()}};
  for (const OpProfile& op : phase.ops) json["ops"].push_back(op_json(op, phase, limits));
  return json;
}

}  // namespace

void print_profile(const BenchProfile& profile, std::int32_t batch, const MachineLimits& limits) {
  print_phase("prefill", profile.prefill, batch, limits);
  print_phase("decode", profile.decode, batch, limits);
}

Json profile_json(const BenchProfile& profile, const MachineLimits& limits) {
  return {{"prefill", phase_json(profile.prefill, limits)},
          {"decode", phase_json(profile.decode, limits)}};
}

}  // namespace troupe::apps

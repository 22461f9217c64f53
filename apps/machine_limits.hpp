// What bounds an op on this machine: memory's rate, or that of the instruction which the backend
// multiplies with, whichever takes longer (Williams et al., "Roofline",
// doi.org/10.1145/1498765.1498785).
#pragma once

#include <optional>
#include <string_view>

#include "apps/calibration.hpp"
#include "kernels/op_cost.hpp"

namespace troupe::apps {

// Tera-operations per second of one backend by arithmetic; empty: nothing calibrates it.
struct MachineLimits {
  std::optional<double> int8_tops;
  std::optional<double> grouped_int8_tops;
  std::optional<double> bf16_tops;
  std::optional<double> fp32_tops;
  double memory_read_gb_per_s = 0.0;
};

// Of a backend by its name (kernels/cpu/cpu_kernels.cpp says which kernels it runs). Plain C++
// ("scalar") has memory's limit alone.
MachineLimits limits_of(const Calibration& calibration, std::string_view backend);

// Seconds that the machine would need at best for an op's bytes and operations. Empty for ops that
// live in caches where nothing calibrates their arithmetic, or that count no operations.
std::optional<double> limit_seconds(const kernels::OpCost& cost, const MachineLimits& limits);

}  // namespace troupe::apps

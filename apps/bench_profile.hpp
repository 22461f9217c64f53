// The profile of a bench as a table and as JSON: what each op took and moved, and how near it came
// to the machine's limit.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "apps/bench_runner.hpp"
#include "apps/calibration.hpp"

namespace troupe::apps {

// Seconds that the machine would need at best for an op's bytes and operations: its memory's rate
// or its tile unit's, whichever takes longer (Williams et al., "Roofline",
// doi.org/10.1145/1498765.1498785). Empty for ops that live in caches, and without a tile unit for
// compute: nothing calibrates those.
std::optional<double> limit_seconds(const kernels::OpCost& cost, const Calibration& calibration);

// Two tables, prefill and decode, on standard output.
void print_profile(const BenchProfile& profile, std::int32_t batch, const Calibration& calibration);

nlohmann::ordered_json profile_json(const BenchProfile& profile, const Calibration& calibration);

}  // namespace troupe::apps

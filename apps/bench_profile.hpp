// The profile of a bench as a table and as JSON: what each op took and moved, and how near it came
// to the machine's limit.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "apps/bench_runner.hpp"
#include "apps/machine_limits.hpp"

namespace troupe::apps {

// Two tables, prefill and decode, on standard output.
void print_profile(const BenchProfile& profile, std::int32_t batch, const MachineLimits& limits);

nlohmann::ordered_json profile_json(const BenchProfile& profile, const MachineLimits& limits);

}  // namespace troupe::apps

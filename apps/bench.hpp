// `troupe bench`: tokens per second of prefill and decode for each batch size.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_bench_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

// `troupe drain`: lets a node finish what runs and end; returns when it has.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_drain_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

// `troupe status`: what a running node is doing, once.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_status_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

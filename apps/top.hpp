// `troupe top`: a node's supervision tree in the terminal, again and again.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_top_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

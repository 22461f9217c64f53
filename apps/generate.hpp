// `troupe generate`: one answer in one process, no server.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_generate_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

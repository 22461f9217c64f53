// `troupe serve`: checks everything a person can get wrong, then becomes the root process of the
// node.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_serve_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

// `troupe model inspect`: what a model file is and what it needs.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

// `troupe model` with its subcommands.
void add_model_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

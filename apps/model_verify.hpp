// `troupe model verify`: whether a model file is whole and can be used.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

// Below `troupe model`.
void add_model_verify_command(CLI::App& group, int& exit_code);

}  // namespace troupe::apps

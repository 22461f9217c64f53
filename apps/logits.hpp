// `troupe logits`: what the model thinks follows every position of a list of tokens.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_logits_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

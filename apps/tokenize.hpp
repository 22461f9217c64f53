// `troupe tokenize`: text to token ids and pieces.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_tokenize_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

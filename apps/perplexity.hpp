// `troupe perplexity`: how well a model foretells a text.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_perplexity_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

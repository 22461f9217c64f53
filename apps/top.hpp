// `troupe top`: a node's supervision tree in the terminal, again and again.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::apps {

void add_top_command(CLI::App& app, int& exit_code);

// The answer of a node's admin socket as a tree for people. Throws config::UserError for what is no
// status. `tokens_per_second` is unknown in the first picture.
std::string status_tree(std::string_view json_line, std::optional<double> tokens_per_second);

}  // namespace troupe::apps

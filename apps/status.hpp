// `troupe status`: what a running node is doing, once.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace troupe::apps {

void add_status_command(CLI::App& app, int& exit_code);

// The answer of a node's admin socket as a table for people. Throws config::UserError for what is
// no status.
std::string status_table(std::string_view json_line);

// 59 s, 3 min 20 s, 5 h 1 min, 2 d 3 h.
std::string duration_text(double seconds);

}  // namespace troupe::apps

// `troupe chat`: a conversation in the terminal.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

void add_chat_command(CLI::App& app, int& exit_code);

}  // namespace troupe::apps

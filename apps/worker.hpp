// A worker: batch and infer around one device, joined to a front by one link.
#pragma once

#include <CLI/CLI.hpp>

namespace troupe::apps {

// `troupe worker --connect ENDPOINT --model FILE`: a worker that joins a front on this or another
// machine.
void add_worker_command(CLI::App& app, int& exit_code);

// `troupe worker-N`, which root starts. Returns the process's exit code.
int run_worker_role(int argc, char** argv);

}  // namespace troupe::apps

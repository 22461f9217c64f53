// The root process of a node: starts and supervises front and workers. One thread, no CAF, no
// ZeroMQ.
#pragma once

#include <filesystem>

#include "config/node_config.hpp"

namespace troupe::apps {

struct RootOptions {
  std::filesystem::path config_file;                    // what the children read: effective.toml
  std::filesystem::path executable = "/proc/self/exe";  // of the children
  int lock_fd = -1;  // the node's lock, held since `serve`; -1: take it
};

// Runs the node until it is drained or cannot go on. Returns the exit code: 0 after a drain, 1 when
// a child that it needs cannot be brought up, or one did not end as it was asked to. Blocks SIGTERM
// and SIGINT and takes them as orders to drain; the second one stops the node at once.
int run_root(const config::NodeConfig& config, const RootOptions& options);

// `troupe root --config FILE --lock-fd N`, which `troupe serve` becomes.
int run_root_role(int argc, char** argv);

}  // namespace troupe::apps

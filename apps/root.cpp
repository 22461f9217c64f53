#include "apps/root.hpp"

#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <system_error>

#include "actors/supervision/node_lock.hpp"
#include "apps/root_node.hpp"

namespace troupe::apps {
namespace {

namespace supervision = actors::supervision;

// ZeroMQ removes its sockets when it closes them, but a killed child closes nothing.
void remove_ipc_socket(const std::string& endpoint) {
  constexpr std::string_view kIpc = "ipc://";
  std::error_code ignored;
  if (endpoint.starts_with(kIpc)) {
    std::filesystem::remove(endpoint.substr(kIpc.size()), ignored);
  }
}

void remove_files(const config::NodeConfig& config, const RootOptions& options) {
  std::error_code ignored;
  remove_ipc_socket(config.links.dispatch_to_worker);
  remove_ipc_socket(config.gateway.zmq);
  std::filesystem::remove(options.config_file, ignored);
}

}  // namespace

int run_root(const config::NodeConfig& config, const RootOptions& options) {
  // A reader of standard error that leaves must not end the node; children inherit it.
  std::signal(SIGPIPE, SIG_IGN);
  // Ignored, as some service runners leave it, the kernel would keep the ends of children to
  // itself.
  std::signal(SIGCHLD, SIG_DFL);
  // Started through /proc/self/exe, the process would be called "exe" in ps and top.
  prctl(PR_SET_NAME, "troupe");
  supervision::NodeLock lock =
      options.lock_fd >= 0 ? supervision::NodeLock::adopt(options.lock_fd, config.node.state)
                           : supervision::NodeLock::take(config.node.state);
  const int exit_code = RootNode(config, options).run();
  remove_files(config, options);
  lock.remove();
  return exit_code;
}

int run_root_role(int argc, char** argv) {
  RootOptions options;
  CLI::App app{"The root process of a node. `troupe serve` becomes it."};
  app.add_option("--config", options.config_file)->required();
  app.add_option("--lock-fd", options.lock_fd)->required();
  CLI11_PARSE(app, argc - 1, argv + 1);
  config::NodeConfig config = config::load_config(options.config_file);
  config::finish_config(config);
  return run_root(config, options);
}

}  // namespace troupe::apps

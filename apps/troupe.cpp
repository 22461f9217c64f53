// The one binary: commands for people, and the hidden roles that root starts (front, worker-N).
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "apps/bench.hpp"
#include "apps/chat.hpp"
#include "apps/drain.hpp"
#include "apps/front.hpp"
#include "apps/generate.hpp"
#include "apps/logits.hpp"
#include "apps/model_inspect.hpp"
#include "apps/perplexity.hpp"
#include "apps/root.hpp"
#include "apps/serve.hpp"
#include "apps/status.hpp"
#include "apps/tokenize.hpp"
#include "apps/top.hpp"
#include "apps/worker.hpp"
#include "config/user_error.hpp"

namespace {

using namespace troupe;

int run_command(int argc, char** argv) {
  CLI::App app{"Troupe serves language models as a troupe of supervised actors.", "troupe"};
  app.require_subcommand(1);
  app.set_version_flag("--version", TROUPE_VERSION);
  int exit_code = 0;
  apps::add_serve_command(app, exit_code);
  apps::add_worker_command(app, exit_code);
  apps::add_chat_command(app, exit_code);
  apps::add_generate_command(app, exit_code);
  apps::add_tokenize_command(app, exit_code);
  apps::add_logits_command(app, exit_code);
  apps::add_perplexity_command(app, exit_code);
  apps::add_bench_command(app, exit_code);
  apps::add_status_command(app, exit_code);
  apps::add_top_command(app, exit_code);
  apps::add_drain_command(app, exit_code);
  apps::add_model_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    throw config::UserError(std::string(error.what()) + "; see --help");
  }
  return exit_code;
}

// The roles that a node's processes show in their command lines.
int run_role(int argc, char** argv) {
  const std::string_view role = argc > 1 ? argv[1] : "";
  if (role == "root") return apps::run_root_role(argc, argv);
  if (role == "front") return apps::run_front_role(argc, argv);
  if (role.starts_with("worker-")) return apps::run_worker_role(argc, argv);
  return run_command(argc, argv);
}

}  // namespace

int main(int argc, char** argv) {
  // A file that may not grow (ulimit -f, LimitFSIZE=) is an error of who writes it, not a death.
  // Processes that root starts inherit this.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return run_role(argc, argv);
  } catch (const troupe::config::UserError& error) {
    std::fprintf(stderr, "troupe: %s\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "troupe: internal error: %s; please report it\n", error.what());
    return 3;
  }
}

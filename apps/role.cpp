#include "apps/role.hpp"

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "config/user_error.hpp"
#include "messages/type_ids.hpp"

namespace troupe::apps {

RoleFlags read_role_flags(int argc, char** argv) {
  RoleFlags flags;
  flags.name = argv[1];
  std::string file;
  int control_fd = -1;
  CLI::App app{"A process of a node. `troupe serve` starts it."};
  app.add_option("--config", file)->required();
  app.add_option("--generation", flags.generation)->required();
  app.add_option("--control-fd", control_fd)->required();
  int beat_fd = -1;
  app.add_option("--beat-fd", beat_fd)->required();
  app.add_option("--ledger-fd", flags.ledger_fd);
  app.add_option("--packed-fd", flags.packed_fd);
  app.parse(argc - 1, argv + 1);
  flags.control = std::make_shared<actors::supervision::ControlChannel>(control_fd);
  actors::supervision::bind_to_parent(flags.control->parent_pid());
  flags.beats = std::make_shared<actors::supervision::BeatPage>(beat_fd);
  ::signal(SIGPIPE, SIG_IGN);
  flags.config = config::load_config(file);
  config::finish_config(flags.config);
  return flags;
}

int run_role_main(const std::function<void()>& main) {
  try {
    main();
    return 0;
  } catch (const config::UserError& error) {
    std::fprintf(stderr, "troupe: %s\n", error.what());
    return kExitIncurable;
  }
}

void configure_actor_system(caf::actor_system_config& system_config) {
  system_config.add_message_types<caf::id_block::troupe>();
  system_config.set("scheduler.policy", caf::atom("sharing"));
  // What may take long (the gateway, which parses, preprocess, infer, the port) has threads of its
  // own. The others share one: a message from one to another then wakes no thread, and a thread
  // that wakes another may lose its core to the worker for a slice of 3 ms.
  system_config.set("scheduler.max-threads", 1);
}

void end_process_with(const caf::actor& stage, const std::string& name) {
  stage->attach_functor([name](const caf::error& reason) {
    if (!reason || reason == caf::exit_reason::user_shutdown) return;
    std::fprintf(stderr, "troupe: stage %s died: %s\n", name.c_str(), to_string(reason).c_str());
    std::_Exit(kExitStageDied);
  });
}

}  // namespace troupe::apps

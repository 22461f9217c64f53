// What the processes that root starts have in common: their flags, their signals, and how they end.
#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/supervision/beat_page.hpp"
#include "actors/supervision/control_channel.hpp"
#include "config/node_config.hpp"

namespace troupe::apps {

// The exit code for what a restart cannot cure: root stops the node instead of restarting.
inline constexpr int kExitIncurable = 2;
// The exit code of a process one of whose stages ended by an exception (EX_SOFTWARE of sysexits.h).
inline constexpr int kExitStageDied = 70;

struct RoleFlags {
  std::string name;  // front, worker-0
  config::NodeConfig config;
  std::uint64_t generation = 0;                                  // of this incarnation
  std::shared_ptr<actors::supervision::ControlChannel> control;  // to root
  std::shared_ptr<actors::supervision::BeatPage> beats;          // that root looks at
  int ledger_fd = -1;                                            // of the front: root's memory file
  int packed_fd = -1;                                            // of a worker: another one
};

// Reads `troupe ROLE --config FILE --generation N --control-fd FD --beat-fd FD`, and
// `--ledger-fd FD` or `--packed-fd FD`, and binds the process to root's life.
RoleFlags read_role_flags(int argc, char** argv);

// Runs a role's main: what the user can mend is one line on stderr and kExitIncurable.
int run_role_main(const std::function<void()>& main);

// One scheduler for every process: work sharing idles at no CPU and answers in a sixth of work
// stealing's time (measured with CAF 0.17.6).
void configure_actor_system(caf::actor_system_config& system_config);

// Ends the process when the stage ends by itself: root restarts it. Until stages are restarted one
// by one, a process with a stage missing would accept requests and never answer.
void end_process_with(const caf::actor& stage, const std::string& name);

}  // namespace troupe::apps

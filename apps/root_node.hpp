// Root's main loop: carries what happens to processes to the supervisor core, and its decisions
// back to them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "actors/observe/log_file.hpp"
#include "actors/supervision/admin_protocol.hpp"
#include "actors/supervision/admin_socket.hpp"
#include "actors/supervision/child_process.hpp"
#include "actors/supervision/restart_log.hpp"
#include "actors/supervision/supervisor.hpp"
#include "apps/root.hpp"
#include "messages/control.hpp"

namespace troupe::apps {

class RootNode {
 public:
  // Opens the signals, the admin socket and the restart log. Throws config::UserError.
  RootNode(const config::NodeConfig& config, const RootOptions& options);

  // Until every child has ended. Returns the node's exit code.
  int run();

 private:
  struct Child {
    std::optional<actors::supervision::ChildProcess> process;
    std::string last_reason;
  };

  using Actions = actors::supervision::Supervisor::Actions;
  using TimePoint = actors::supervision::TimePoint;

  static TimePoint now();
  const actors::supervision::ChildState& state(std::size_t child) const;
  bool is_front(std::size_t child) const;

  void wait_and_handle();
  int poll_timeout_ms() const;
  void handle_signal();

  void perform(const Actions& actions);
  void perform(const actors::supervision::Action& action);
  void start(std::size_t child, std::uint64_t generation);
  void ask_to_stop(std::size_t child);
  void give_up(std::size_t child);

  void handle_frames(std::size_t child);
  void handle_frame(std::size_t child, std::string_view frame);
  void handle_ready(std::size_t child);
  void handle_front_status(messages::FrontStatus status);
  void handle_end(std::size_t child);
  void tell_front(std::size_t child, std::uint64_t generation, const std::string& reason);

  void log(actors::supervision::RestartRecord record);
  void log_end(std::size_t child,
               const actors::supervision::ChildState& before,
               actors::supervision::Termination end);
  void say_end(std::size_t child, const std::string& reason) const;

  void drain();
  actors::supervision::AdminReply answer(std::string_view line);
  actors::supervision::NodeStatus status() const;
  actors::supervision::ProcessStatus process_status(std::size_t child) const;

  const config::NodeConfig& config_;
  const RootOptions& options_;
  TimePoint begun_;
  std::mt19937_64 random_;
  actors::supervision::Supervisor supervisor_;
  std::vector<Child> children_;  // as in supervisor_.children()
  actors::supervision::UniqueFd signals_;
  actors::supervision::AdminSocket admin_;
  actors::observe::LogFile restart_log_;
  messages::FrontStatus front_status_;
  bool said_ready_ = false;
  bool done_ = false;
  int exit_code_ = 0;
};

}  // namespace troupe::apps

// Root's main loop: carries what happens to processes to the supervisor core, and its decisions
// back to them. Over three files: the loop (root_node), the children (root_children), and what is
// told of them (root_report).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "actors/observe/log_file.hpp"
#include "actors/supervision/admin_protocol.hpp"
#include "actors/supervision/admin_socket.hpp"
#include "actors/supervision/child_process.hpp"
#include "actors/supervision/known_answers.hpp"
#include "actors/supervision/memory_file.hpp"
#include "actors/supervision/process_watch.hpp"
#include "actors/supervision/restart_log.hpp"
#include "actors/supervision/service_manager.hpp"
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
  using Action = actors::supervision::Action;
  using Actions = actors::supervision::Supervisor::Actions;
  using ChildId = actors::supervision::ChildId;
  using ChildState = actors::supervision::ChildState;
  using TimePoint = actors::supervision::TimePoint;

  struct Child {
    std::optional<actors::supervision::ChildProcess> process;
    std::int64_t last_pid = 0;  // of the latest incarnation, also when it has ended
    std::string answer;         // its latest incarnation's, to the known prompt
    std::optional<actors::supervision::ProcessWatch> watch;
    std::optional<TimePoint> recycle_by;        // when it makes room for another, busy or not
    actors::supervision::Fitness fitness{};     // in that case
    std::string recycled_for;                   // why it was asked to
    std::string last_words;                     // of the previous incarnation, on standard error
    std::string last_end;                       // how the previous incarnation ended
    std::string last_reason;                    // the same, with what it said of it at its start
    bool incurable = false;                     // no restart will change that end
    std::optional<messages::WorksMoved> moved;  // since it was last ready
    // restart.log's latest line of each of its stages; under "": of their supervisor.
    std::map<std::string, std::string> stage_lines;
  };

  static TimePoint now();
  const ChildState& state(ChildId child) const;
  bool is_front(ChildId child) const;
  Child& front();

  // The loop.
  void wait_and_handle();
  int poll_timeout_ms() const;
  void handle_signal();
  void drain();
  actors::supervision::AdminReply answer(std::string_view line);

  // The children.
  void perform(const Actions& actions);
  void perform(const Action& action);
  void pass_on_errors(ChildId child, std::string_view text);
  void start(ChildId child, std::uint64_t generation);
  void ask_to_drain(ChildId child);
  void signal(ChildId child, int signal);
  void validate(ChildId child, std::uint64_t generation);
  void isolate_the_wrong();
  void admit(ChildId child);
  void give_up(ChildId child);
  void handle_frames(ChildId child);
  void handle_frame(ChildId child, std::string_view frame);
  void handle_ready(ChildId child, messages::ChildReady ready);
  void handle_front_status(messages::FrontStatus status);
  void handle_stage_event(ChildId child, messages::StageEvent event);
  void handle_moved(messages::WorksMoved moved);
  void handle_end(ChildId child);
  void look_after_children();
  void keep_in_memory_limit(ChildId child, TimePoint time);
  void recycle(ChildId child, TimePoint time);
  void tell_front(ChildId child, messages::SiblingDown down);
  void tell_front_the_past();
  void tell_who_is_gone();

  // What is told.
  void handle_report(const Action& action);
  void log(actors::supervision::RestartRecord record);
  void say_end(const Action& action, const std::string& reason) const;
  actors::supervision::NodeStatus status() const;
  std::string standing_lines() const;
  std::vector<messages::StageStatus> stages_of(ChildId child, const char* state) const;
  actors::supervision::ProcessStatus process_status(const ChildState& child) const;

  const config::NodeConfig& config_;
  const RootOptions& options_;
  TimePoint begun_;
  std::mt19937_64 random_;
  actors::supervision::Supervisor supervisor_;
  ChildId front_;
  std::map<ChildId, Child> children_;  // as in supervisor_.children()
  actors::supervision::UniqueFd signals_;
  actors::supervision::UniqueFd ledger_;  // what each front leaves to the next
  // For packed weights that no file can hold: one copy for all workers, and for those that follow.
  actors::supervision::UniqueFd packed_;
  actors::supervision::AdminSocket admin_;
  actors::observe::LogFile restart_log_;
  actors::supervision::ServiceManager service_manager_;
  messages::FrontStatus front_status_;
  std::map<std::string, ChildId> errors_;      // lines since a child was started, and who said them
  std::vector<messages::SiblingDown> untold_;  // deaths while no front was there
  TimePoint last_look_{};
  std::uint64_t worker_memory_max_;  // bytes of one; 0: no limit
  actors::supervision::KnownAnswers known_answers_;
  bool said_ready_ = false;
  bool done_ = false;
  int exit_code_ = 0;
};

}  // namespace troupe::apps

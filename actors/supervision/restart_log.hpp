// One line of restart.log: what the supervisor did about a child, with the fields of
// docs/interfaces (Logs).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "actors/supervision/supervisor.hpp"

namespace troupe::actors::supervision {

struct RestartRecord {
  std::string node;        // its state folder
  std::string supervisor;  // root
  std::string event;       // progress, start_error, child_terminated, shutdown_error, shutdown
  std::string kind;        // process, actor
  const ChildState* child = nullptr;  // null: the node itself
  std::uint64_t generation = 0;       // of the incarnation that the line is about
  std::int64_t id = 0;                // pid or actor id; 0: none
  std::optional<Termination> end;
  std::string text;  // for people, may be empty
  std::uint32_t restarts_in_window = 0;
  std::optional<Milliseconds> backoff;   // until the restart that follows
  std::optional<Milliseconds> downtime;  // from the death to being ready again

  std::string to_line(const SupervisorPolicy& policy, TimePoint now) const;
};

}  // namespace troupe::actors::supervision

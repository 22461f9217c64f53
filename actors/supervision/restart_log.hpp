// One line of restart.log: what the supervisor tells of a child, with the fields of
// docs/interfaces (Logs).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "actors/supervision/action.hpp"
#include "actors/supervision/policy.hpp"

namespace troupe::actors::supervision {

struct RestartRecord {
  std::string node;              // its state folder
  std::string supervisor;        // root
  std::string kind;              // process, actor
  Report report;                 // without a child's name: the node itself
  std::uint64_t generation = 0;  // of the incarnation that the line is about
  std::int64_t id = 0;           // pid or actor id; 0: none
  std::string text;              // for people, may be empty

  // What became of those that the incarnation before worked on.
  struct Requests {
    std::uint64_t requeued = 0;
    std::uint64_t failed = 0;
  };

  std::optional<Requests> requests;

  std::string to_line(const SupervisorPolicy& policy, TimePoint now) const;
};

// progress, start_error, child_terminated, shutdown_error, shutdown
const char* name_of(ReportEvent event);

}  // namespace troupe::actors::supervision

// What a supervisor wants done, tells, and answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "actors/supervision/child.hpp"

namespace troupe::actors::supervision {

enum class ActionKind : std::uint8_t {
  kStart,      // start this generation of the child
  kValidate,   // ask it the known prompt; `validated` is the answer
  kAdmit,      // give it traffic
  kDrain,      // ask it to finish what it has
  kTerminate,  // ask it to end: SIGTERM
  kKill,       // end it: SIGKILL
  kGiveUp,     // this child is not restarted any more, or is why the supervisor ends
  kReport,     // write `report` to the restart log
  kExit,       // every child has ended; exit() says why. `child` means nothing
};

enum class ReportEvent : std::uint8_t {
  kProgress,
  kStartError,
  kChildTerminated,
  kShutdownError,
  kShutdown
};

struct Report {
  ReportEvent event{};
  std::string child{};
  RestartType restart{};
  std::optional<Termination> end{};
  std::uint32_t restarts_in_window = 0;
  std::optional<Milliseconds> backoff{};  // until the restart that follows; unset: none follows
  // From the death to being ready again.
  std::optional<std::chrono::microseconds> downtime{};

  bool operator==(const Report&) const = default;
};

struct Action {
  ActionKind kind{};
  ChildId child = 0;
  std::uint64_t generation = 0;
  std::optional<Report> report{};

  bool operator==(const Action&) const = default;
};

enum class Reply : std::uint8_t {
  kOk,
  kNotFound,
  kAlreadyPresent,  // a child of this name exists and does not run
  kAlreadyStarted,
  kRunning,
  kRestarting,
  kSimpleOneForOne,  // not possible with this strategy
  kInvalidSpec,
  kShuttingDown,
  kFull,
};

enum class ExitReason : std::uint8_t { kAsked, kAutoShutdown, kEscalated, kStartFailed };

enum class ChildStatus : std::uint8_t { kUndefined, kRestarting, kRunning };

struct ChildView {
  std::string name;
  ChildKind kind{};
  ChildStatus status{};
  std::uint64_t generation = 0;  // that was told of last; 0: none yet

  bool operator==(const ChildView&) const = default;
};

struct ChildCounts {
  std::size_t specs = 0;
  std::size_t active = 0;  // those that run
  std::size_t supervisors = 0;
  std::size_t workers = 0;

  bool operator==(const ChildCounts&) const = default;
};

}  // namespace troupe::actors::supervision

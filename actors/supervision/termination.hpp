// How a child process ended, and what that says about whose fault it was.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::actors::supervision {

enum class EndKind : std::uint8_t {
  kExited,      // code: the exit code
  kSignalled,   // code: the signal
  kNotStarted,  // code: errno of the attempt
};

struct Termination {
  EndKind kind = EndKind::kExited;
  int code = 0;

  bool operator==(const Termination&) const = default;
};

// The exit code of a child that no restart can cure: a wrong configuration or model.
inline constexpr int kExitMisconfigured = 2;

enum class Cause : std::uint8_t {
  kWork,     // what it computed can have killed it: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, other
             // exit codes
  kOutside,  // somebody or the memory killer ended it, or it left by itself with 0
  kConfiguration,  // kExitMisconfigured
  kNotStarted,     // the system could not start it
};

Cause cause_of(const Termination& end);

// work, outside, configuration, not_started: `reason_category` of the restart log.
const char* name_of(Cause cause);

// SIGKILL, exit_3, ENOMEM: `reason_code` of the restart log, from a closed set, fit for a label.
std::string code_of(const Termination& end);

// For people: "killed by SIGKILL", "exited with 3".
std::string describe(const Termination& end);

}  // namespace troupe::actors::supervision

// How a child ended, and what that says about whose fault it was.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::actors::supervision {

enum class EndKind : std::uint8_t {
  kExited,       // code: the exit code
  kSignalled,    // code: the signal
  kNotStarted,   // code: errno of the attempt
  kShutDown,     // an actor or a supervisor that ended in order, by itself
  kEscalated,    // a supervisor that could not keep its children alive
  kHung,         // its beats stopped and its supervisor killed it
  kStopped,      // so it did, because somebody had stopped it (SIGSTOP) and did not continue it
  kInvalid,      // it did not answer the known prompt rightly, or in time, and was killed
  kOutOfMemory,  // the kernel killed it for memory; code: the signal
  kThrew,        // an actor: a handler threw an exception
  kUnknown,      // it is gone, and nobody can say how
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
             // exit codes, a hang, a wrong answer, and what nobody can say
  kOutside,  // somebody ended or stopped it, or it left by itself with 0
  kMemory,   // the kernel took its memory back: nobody's request is to blame
  kConfiguration,  // kExitMisconfigured
  kNotStarted,     // the system could not start it
};

Cause cause_of(const Termination& end);

// An end that a transient child is not restarted for.
bool is_normal(const Termination& end);

// work, outside, memory, configuration, not_started: `reason_category` of the restart log.
const char* name_of(Cause cause);

// SIGKILL, exit_3, ENOMEM, hung: `reason_code` of the restart log, from a closed set, fit for a
// label.
std::string code_of(const Termination& end);

// For people: "killed by SIGKILL", "exited with 3".
std::string describe(const Termination& end);

}  // namespace troupe::actors::supervision

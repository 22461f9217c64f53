#include "actors/supervision/termination.hpp"

#include <csignal>
#include <cstring>

namespace troupe::actors::supervision {
namespace {

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? "signal_" + std::to_string(signal) : std::string("SIG") + name;
}

std::string error_name(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? "errno_" + std::to_string(error) : name;
}

bool is_of_work(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
         signal == SIGABRT;
}

Cause cause_of_exit(int code) {
  if (code == kExitMisconfigured) return Cause::kConfiguration;
  return code == 0 ? Cause::kOutside : Cause::kWork;
}

}  // namespace

Cause cause_of(const Termination& end) {
  switch (end.kind) {
    case EndKind::kExited:
      return cause_of_exit(end.code);
    case EndKind::kSignalled:
      return is_of_work(end.code) ? Cause::kWork : Cause::kOutside;
    case EndKind::kNotStarted:
      return Cause::kNotStarted;
    case EndKind::kShutDown:
    case EndKind::kStopped:
      return Cause::kOutside;
    case EndKind::kOutOfMemory:
      return Cause::kMemory;
    case EndKind::kEscalated:
    case EndKind::kHung:
    case EndKind::kInvalid:
    case EndKind::kThrew:
    case EndKind::kUnknown:
      break;
  }
  return Cause::kWork;
}

// A supervisor that gave up ended in order too: OTP's reason for it is `shutdown`.
bool is_normal(const Termination& end) {
  return end == Termination{EndKind::kExited, 0} || end.kind == EndKind::kShutDown ||
         end.kind == EndKind::kEscalated;
}

const char* name_of(Cause cause) {
  switch (cause) {
    case Cause::kWork:
      return "work";
    case Cause::kOutside:
      return "outside";
    case Cause::kMemory:
      return "memory";
    case Cause::kConfiguration:
      return "configuration";
    case Cause::kNotStarted:
      break;
  }
  return "not_started";
}

std::string code_of(const Termination& end) {
  switch (end.kind) {
    case EndKind::kExited:
      return "exit_" + std::to_string(end.code);
    case EndKind::kSignalled:
      return signal_name(end.code);
    case EndKind::kNotStarted:
      return error_name(end.code);
    case EndKind::kShutDown:
      return "shutdown";
    case EndKind::kEscalated:
      return "escalated";
    case EndKind::kHung:
      return "hung";
    case EndKind::kStopped:
      return "stopped";
    case EndKind::kInvalid:
      return "invalid_answer";
    case EndKind::kThrew:
      return "exception";
    case EndKind::kUnknown:
      return "unknown";
    case EndKind::kOutOfMemory:
      break;
  }
  return "out_of_memory";
}

std::string describe(const Termination& end) {
  switch (end.kind) {
    case EndKind::kExited:
      return "exited with " + std::to_string(end.code);
    case EndKind::kSignalled:
      return "killed by " + signal_name(end.code);
    case EndKind::kNotStarted:
      return std::string("could not be started: ") + std::strerror(end.code);
    case EndKind::kShutDown:
      return "ended by itself";
    case EndKind::kEscalated:
      return "could not keep its children alive";
    case EndKind::kHung:
      return "hung: its beats stopped, so it was killed";
    case EndKind::kStopped:
      return "was stopped by a signal and not continued, so it was killed";
    case EndKind::kInvalid:
      return "did not answer the known prompt rightly, so it was killed";
    case EndKind::kThrew:
      return "threw an exception";
    case EndKind::kUnknown:
      return "ended, and nobody can say how";
    case EndKind::kOutOfMemory:
      break;
  }
  return "killed by the kernel for memory (" + signal_name(end.code) + ")";
}

}  // namespace troupe::actors::supervision

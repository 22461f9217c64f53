#include "actors/supervision/termination.hpp"

#include <csignal>
#include <cstring>

namespace troupe::actors::supervision {
namespace {

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? "signal_" + std::to_string(signal) : std::string("SIG") + name;
}

bool is_of_work(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
         signal == SIGABRT;
}

}  // namespace

Cause cause_of(const Termination& end) {
  if (end.kind == EndKind::kNotStarted) return Cause::kNotStarted;
  if (end.kind == EndKind::kSignalled) return is_of_work(end.code) ? Cause::kWork : Cause::kOutside;
  if (end.code == kExitMisconfigured) return Cause::kConfiguration;
  return end.code == 0 ? Cause::kOutside : Cause::kWork;
}

const char* name_of(Cause cause) {
  switch (cause) {
    case Cause::kWork:
      return "work";
    case Cause::kOutside:
      return "outside";
    case Cause::kConfiguration:
      return "configuration";
    case Cause::kNotStarted:
      break;
  }
  return "not_started";
}

std::string code_of(const Termination& end) {
  if (end.kind == EndKind::kSignalled) return signal_name(end.code);
  if (end.kind == EndKind::kExited) return "exit_" + std::to_string(end.code);
  const char* name = strerrorname_np(end.code);
  return name == nullptr ? "errno_" + std::to_string(end.code) : name;
}

std::string describe(const Termination& end) {
  if (end.kind == EndKind::kSignalled) return "killed by " + signal_name(end.code);
  if (end.kind == EndKind::kExited) return "exited with " + std::to_string(end.code);
  return std::string("could not be started: ") + std::strerror(end.code);
}

}  // namespace troupe::actors::supervision

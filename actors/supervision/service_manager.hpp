// What a service manager wants to hear of a node: readiness, stopping, and that root still works.
// The sd_notify protocol: one datagram a message to the socket that $NOTIFY_SOCKET names
// (https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/supervision/child.hpp"
#include "actors/supervision/unique_fd.hpp"

namespace troupe::actors::supervision {

class ServiceManager {
 public:
  // From $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, which are taken out of the environment,
  // so that children do not speak for root. Without them, nobody is told.
  static ServiceManager from_environment();

  // Names a socket file, or with '@' a name in the abstract space; empty: none.
  ServiceManager(std::string socket, std::optional<Milliseconds> watchdog);

  void ready(std::string_view status);
  void status(std::string_view status);
  // Once, however often it is called. A manager kills who takes longer than `longest`, or than its
  // own limit where that is longer.
  void stopping(Milliseconds longest);

  // To be called at least every kBeatInterval: says in half the watchdog's time that root works,
  // and again what the manager could not take before.
  void beat(TimePoint now);

 private:
  void tell(std::string message);
  bool send(std::string_view message) const;

  std::string socket_;
  std::optional<Milliseconds> watchdog_;
  std::optional<TimePoint> last_beat_;
  bool stopping_ = false;
  std::vector<std::string> unsent_;  // oldest first, one of each kind at most
  UniqueFd fd_;
};

}  // namespace troupe::actors::supervision

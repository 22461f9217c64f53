#include "actors/supervision/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace troupe::actors::supervision {
namespace {

std::string take_variable(const char* name) {
  const char* value = getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

// A line break would begin another assignment.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  return line;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  const std::string socket = take_variable("NOTIFY_SOCKET");
  const std::string time = take_variable("WATCHDOG_USEC");
  const std::string pid = take_variable("WATCHDOG_PID");
  const long long microseconds = std::atoll(time.c_str());
  const bool ours = pid.empty() || std::atoll(pid.c_str()) == getpid();
  std::optional<Milliseconds> watchdog;
  if (microseconds > 0 && ours) watchdog = Milliseconds(microseconds / 1000);
  return {socket, watchdog};
}

ServiceManager::ServiceManager(std::string socket, std::optional<Milliseconds> watchdog)
    : socket_(std::move(socket)), watchdog_(watchdog) {
  const bool fits = socket_.size() > 1 && socket_.size() < sizeof(sockaddr_un::sun_path);
  if (fits) fd_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

void ServiceManager::ready(std::string_view status) { tell("READY=1\nSTATUS=" + one_line(status)); }

void ServiceManager::status(std::string_view status) { tell("STATUS=" + one_line(status)); }

void ServiceManager::stopping(Milliseconds longest) {
  if (std::exchange(stopping_, true)) return;
  const auto microseconds = std::chrono::microseconds(longest).count();
  tell("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=" + std::to_string(microseconds));
}

void ServiceManager::beat(TimePoint now) {
  while (!unsent_.empty() && send(unsent_.front())) unsent_.erase(unsent_.begin());
  if (!watchdog_ || (last_beat_ && now - *last_beat_ < *watchdog_ / 2)) return;
  if (send("WATCHDOG=1")) last_beat_ = now;
}

// What cannot be sent waits for the next beat; a later message of its kind takes its place.
void ServiceManager::tell(std::string message) {
  if (!fd_) return;
  const std::string kind = message.substr(0, message.find('=') + 1);
  std::erase_if(unsent_, [&](const std::string& waiting) { return waiting.starts_with(kind); });
  if (!unsent_.empty() || !send(message)) unsent_.push_back(std::move(message));
}

// False when the manager does not listen or has not yet read what was sent before: a loop that
// waited for it would miss its children.
bool ServiceManager::send(std::string_view message) const {
  if (!fd_) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const ssize_t sent = sendto(fd_.get(),
                              message.data(),
                              message.size(),
                              MSG_DONTWAIT | MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address),
                              bytes);
  return sent >= 0;  // a datagram is sent whole
}

}  // namespace troupe::actors::supervision

#include "apps/console.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace troupe::apps {
namespace {

// A pipe that poll calls writable takes at least this many bytes without blocking (pipe(7),
// PIPE_BUF).
constexpr std::size_t kBytesAtOnce = 4096;
constexpr std::size_t kLineBytesMax = 1000;

}  // namespace

void pass_on(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd terminal{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    if (poll(&terminal, 1, 0) != 1 || (terminal.revents & POLLOUT) == 0) return;
    const ssize_t written =
        write(STDERR_FILENO, bytes.data(), std::min(bytes.size(), kBytesAtOnce));
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void say(std::string_view text) {
  std::string line = "troupe: ";
  for (const char c : text.substr(0, kLineBytesMax)) {
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  line += '\n';
  pass_on(line);
}

std::string in_seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

}  // namespace troupe::apps

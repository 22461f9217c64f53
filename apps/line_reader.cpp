#include "apps/line_reader.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "apps/interrupt.hpp"
#include "config/limits.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {

std::optional<std::string> LineReader::next() {
  for (;;) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    if (ended_) {
      if (buffer_.empty()) return std::nullopt;
      return std::exchange(buffer_, {});
    }
    if (interrupted()) return std::nullopt;
    if (buffer_.size() > config::kBodyBytesMax) {
      throw config::UserError("a line of the input is longer than 4 MiB: no model reads that");
    }
    char piece[4096];
    const ssize_t bytes = read(descriptor_, piece, sizeof piece);
    if (bytes > 0) buffer_.append(piece, static_cast<std::size_t>(bytes));
    ended_ = bytes == 0 || (bytes < 0 && errno != EINTR);
  }
}

}  // namespace troupe::apps

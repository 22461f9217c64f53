// Lines from a file descriptor, with Ctrl-C as an end: std::getline would wait on.
#pragma once

#include <optional>
#include <string>

namespace troupe::apps {

class LineReader {
 public:
  explicit LineReader(int descriptor) : descriptor_(descriptor) {}

  // Without its end of line. Empty at the end of the input, on an error, or when interrupted().
  // Throws config::UserError for a line that no prompt can be.
  std::optional<std::string> next();

 private:
  int descriptor_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace troupe::apps

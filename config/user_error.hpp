// The one exception for what a user can mend: a bad flag, configuration, or model file. Caught in
// main.
#pragma once

#include <stdexcept>
#include <string>

namespace troupe::config {

// Its text is one line: what is wrong, where, and what to do about it.
struct UserError : std::runtime_error {
  explicit UserError(const std::string& line) : std::runtime_error(line) {}
};

}  // namespace troupe::config

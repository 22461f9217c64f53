#include "apps/standard_output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "config/user_error.hpp"

namespace troupe::apps {

void finish_output() {
  const bool failed_before = std::ferror(stdout) != 0;
  if (std::fflush(stdout) == 0 && !failed_before) return;
  throw config::UserError(std::string("standard output cannot be written (") +
                          std::strerror(errno) + "): check the disk or the pipe");
}

}  // namespace troupe::apps

#include "actors/supervision/unique_fd.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace troupe::actors::supervision {

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

UniqueFd checked_fd(int fd, const char* attempt) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), attempt);
  return UniqueFd(fd);
}

}  // namespace troupe::actors::supervision

#include "actors/supervision/memory_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace troupe::actors::supervision {

UniqueFd make_memory_file(const char* name, std::size_t bytes) {
  UniqueFd file = checked_fd(memfd_create(name, MFD_CLOEXEC), "cannot make a memory file");
  if (ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot size a memory file");
  }
  return file;
}

}  // namespace troupe::actors::supervision

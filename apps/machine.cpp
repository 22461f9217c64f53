#include "apps/machine.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace troupe::apps {

std::uint64_t memory_limit_bytes() {
  auto limit = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
               static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  // v2 says "max" and v1 a number near 2^63 where there is no limit: both leave the machine's
  // memory.
  for (const char* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::uint64_t bytes = 0;
    if (std::ifstream(file) >> bytes) limit = std::min(limit, bytes);
  }
  return limit;
}

}  // namespace troupe::apps

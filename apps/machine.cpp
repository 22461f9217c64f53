#include "apps/machine.hpp"

#include <unistd.h>

#include <fstream>
#include <iterator>

namespace troupe::apps {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

MemoryLimit memory_limit() {
  const auto machine = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const auto cgroup = cgroup_memory_limit(read_file);
  if (cgroup && cgroup->bytes < machine) return *cgroup;
  return {.bytes = machine, .source = "this machine's memory", .cgroup = false};
}

}  // namespace troupe::apps

// The memory limit of the control groups that a process is in. Pure: files are read by the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace troupe::apps {

struct MemoryLimit {
  std::uint64_t bytes = 0;
  std::string source;   // words for a message: "the cgroup /a/b (memory.max)"
  bool cgroup = false;  // else the machine's memory
};

// A file's text; empty when there is no such file.
using ReadFile = std::function<std::string(const std::string& path)>;

// The smallest limit of the process's group and of all its ancestors, in version 1 and in version 2
// (both may be mounted at once). Reads /proc/self/cgroup and /proc/self/mountinfo first.
// docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html; man 5 proc
std::optional<MemoryLimit> cgroup_memory_limit(const ReadFile& read);

}  // namespace troupe::apps

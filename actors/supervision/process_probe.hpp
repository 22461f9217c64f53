// What the system says of a process, read from /proc (proc(5)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include "actors/supervision/hang_detector.hpp"

namespace troupe::actors::supervision {

// One that writes its core dump counts as gone: its end is under way, and takes as long as its
// memory is large. `proc` stands for /proc.
ProcessSample probe_process(pid_t pid, const std::filesystem::path& proc = "/proc");

// Bytes that only this process can give back: anonymous memory, without mapped files, which the
// kernel drops by itself, and without shared memory, which others hold, too (packed weights that no
// file can hold, or a model's file in a tmpfs). 0 when it cannot be read.
std::uint64_t own_memory_bytes(pid_t pid);

// How many processes the kernel has killed for memory in the control group of `pid`, by either
// version of control groups, or on the machine where neither tells.
class OutOfMemoryCount {
 public:
  explicit OutOfMemoryCount(pid_t pid);
  // `proc` and `cgroups` stand for /proc and /sys/fs/cgroup.
  OutOfMemoryCount(pid_t pid,
                   const std::filesystem::path& proc,
                   const std::filesystem::path& cgroups);

  std::uint64_t read() const;

 private:
  std::filesystem::path file_;
};

}  // namespace troupe::actors::supervision

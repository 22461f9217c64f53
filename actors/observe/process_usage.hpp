// What this process costs the machine, read from /proc.
#pragma once

#include <cstdint>

namespace troupe::actors::observe {

struct ProcessUsage {
  double cpu_seconds = 0.0;  // user + system, all threads, since the process began
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
};

// Zero where the system does not tell.
ProcessUsage read_process_usage();

}  // namespace troupe::actors::observe

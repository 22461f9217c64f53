// What this process may use of the machine.
#pragma once

#include <cstdint>

namespace troupe::apps {

// The smaller of the cgroup's limit (v2 or v1) and the machine's memory.
std::uint64_t memory_limit_bytes();

}  // namespace troupe::apps

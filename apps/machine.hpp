// What this process may use of the machine.
#pragma once

#include "apps/cgroup_limit.hpp"

namespace troupe::apps {

// The smaller of the control groups' limit and the machine's memory.
MemoryLimit memory_limit();

}  // namespace troupe::apps

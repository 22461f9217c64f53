// A file that is only memory: what a child writes into it outlives the child.
#pragma once

#include <cstddef>

#include "actors/supervision/unique_fd.hpp"

namespace troupe::actors::supervision {

// `bytes` of zeros, of which only what is touched takes memory (memfd_create(2)). Closed on exec
// unless a child is told to keep it. Throws std::system_error.
UniqueFd make_memory_file(const char* name, std::size_t bytes);

}  // namespace troupe::actors::supervision

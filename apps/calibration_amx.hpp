// A register-only AMX loop. Its source file alone is compiled for AMX, so it shares no inline code
// with the rest.
#pragma once

#include <cstdint>

namespace troupe::apps::amx {

// Of one round: 8 tile products of 16 × 16 × 64 multiplications and as many additions.
inline constexpr std::uint64_t kOperationsPerRound = 8ULL * 16 * 16 * 64 * 2;

// Multiplies tiles of zeros in registers. The CPU has AMX and the process may use it.
void run_rounds(std::uint64_t rounds);

}  // namespace troupe::apps::amx

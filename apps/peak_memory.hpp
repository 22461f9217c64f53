// The most memory that this process has held resident, as the kernel counts it.
#pragma once

#include <cstdint>

namespace troupe::apps {

// Since the process began or since the last reset, mapped files included; 0 where the system does
// not tell.
std::uint64_t peak_resident_bytes();

// Forgets the peak, so that what came before (a calibration's buffer) does not count.
void reset_peak_resident();

}  // namespace troupe::apps

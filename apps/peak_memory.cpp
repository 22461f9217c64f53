#include "apps/peak_memory.hpp"

#include <fstream>
#include <limits>
#include <string>

namespace troupe::apps {

// VmHWM, in KiB. getrusage would include what the parent held when it started this process.
// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
std::uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib << 10U;
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

// https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html: 5 resets the peak.
void reset_peak_resident() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace troupe::apps

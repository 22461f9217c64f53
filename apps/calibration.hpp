// What the machine gives at this moment: figures of a bench mean something only beside it, because
// a neighbour on a shared machine may take half of everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::apps {

struct Calibration {
  std::optional<double> amx_int8_tops;  // multiply and add counted apart; empty: no AMX
  double memory_read_gb_per_s = 0.0;
};

// Takes about a quarter of a second with `threads` threads.
Calibration calibrate(int threads);

// Seconds that `threads` threads take to read these bytes once, each its share of every range. The
// mean of several passes after a first one, so that starting threads and missing pages do not
// count.
double read_seconds(std::span<const std::span<const std::byte>> ranges, int threads);

struct MachineFacts {
  std::string cpu;  // as the kernel names it
  unsigned cores = 0;
  std::uint64_t memory_bytes = 0;  // that this process may use
  std::vector<std::string> isa;    // of those that kernels are written for
};

MachineFacts machine_facts();

}  // namespace troupe::apps

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

// Rates of products in registers, multiplications and additions counted apart, are of all threads
// together; empty where the CPU lacks the instruction.
struct Calibration {
  std::optional<double> amx_int8_tops;       // TDPBSSD
  std::optional<double> avx512_int8_tops;    // VPDPBUSD of 512 bits
  std::optional<double> avx512_bf16_tops;    // VDPBF16PS of 512 bits
  std::optional<double> avx512_fp32_tops;    // FMA of 512 bits
  std::optional<double> avx_vnni_int8_tops;  // VPDPBUSD of 256 bits
  std::optional<double> avx2_int8_tops;      // VPMADDWD of 256 bits
  std::optional<double> avx2_fp32_tops;      // FMA of 256 bits
  double memory_read_gb_per_s = 0.0;
};

// Takes a quarter to half a second with `threads` threads.
Calibration calibrate(int threads);

// The higher of each rate: what bounds work between two calibrations, one of which a neighbour may
// have slowed down.
Calibration fastest_of(const Calibration& a, const Calibration& b);

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

// What root observes of one running child beside its end: beats, memory, and what a kill meant.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "actors/supervision/beat_page.hpp"
#include "actors/supervision/hang_detector.hpp"
#include "actors/supervision/process_probe.hpp"
#include "actors/supervision/termination.hpp"

namespace troupe::actors::supervision {

class ProcessWatch {
 public:
  explicit ProcessWatch(pid_t pid);

  // To be called every kLookInterval. A child that has never beaten does not hang.
  bool hangs(const Beats& beats, TimePoint now);

  // Asks the system every kMemoryLookInterval.
  bool exceeds_memory(std::uint64_t bytes_max, TimePoint now);

  // A SIGKILL may have been the kernel's, for memory. The supervisor knows its own.
  Termination explain(Termination end) const;

 private:
  pid_t pid_;
  HangDetector hangs_;
  OutOfMemoryCount kills_;
  std::uint64_t kills_before_;
  std::optional<TimePoint> memory_look_;
};

}  // namespace troupe::actors::supervision

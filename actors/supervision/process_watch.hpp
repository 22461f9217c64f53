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
  // With the count that tells of this process.
  ProcessWatch(pid_t pid, OutOfMemoryCount kills);

  // To be called every kLookInterval, whatever limits there are: explain() needs it too.
  bool hangs(const Beats& beats, TimePoint now);

  // Why it hangs, when it does.
  EndKind how_it_hangs() const { return hangs_.was_stopped() ? EndKind::kStopped : EndKind::kHung; }

  // Asks the system every kMemoryLookInterval.
  bool exceeds_memory(std::uint64_t bytes_max, TimePoint now);

  // A SIGKILL may have been the kernel's, for memory: when the kernel has killed for it lately. Of
  // two deaths that close together, one is told wrongly. The supervisor knows its own.
  Termination explain(Termination end) const;

 private:
  void look_at_kills(TimePoint now);

  pid_t pid_;
  HangDetector hangs_;
  OutOfMemoryCount kills_;
  // The latest two readings. The newest may have been taken when the kill had been counted and its
  // end not been heard of, so the one before it decides.
  std::uint64_t kills_newest_;
  std::uint64_t kills_before_;
  std::optional<TimePoint> kills_look_;
  std::optional<TimePoint> memory_look_;
};

}  // namespace troupe::actors::supervision

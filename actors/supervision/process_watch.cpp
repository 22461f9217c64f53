#include "actors/supervision/process_watch.hpp"

#include <csignal>
#include <utility>

#include "config/limits.hpp"

namespace troupe::actors::supervision {

ProcessWatch::ProcessWatch(pid_t pid) : ProcessWatch(pid, OutOfMemoryCount(pid)) {}

ProcessWatch::ProcessWatch(pid_t pid, OutOfMemoryCount kills)
    : pid_(pid),
      kills_(std::move(kills)),
      kills_newest_(kills_.read()),
      kills_before_(kills_newest_) {}

bool ProcessWatch::hangs(const Beats& beats, TimePoint now) {
  look_at_kills(now);
  const BeatSample sample{.loop = beats.loop.load(std::memory_order_relaxed),
                          .compute = beats.compute.load(std::memory_order_relaxed),
                          .steps = beats.steps.load(std::memory_order_relaxed),
                          .has_work = beats.makes_steps != 0 && beats.in_flight != 0,
                          .computing = beats.computing.load(std::memory_order_relaxed) != 0,
                          .waits = beats.waits.load(std::memory_order_relaxed) != 0,
                          .patience = Milliseconds(beats.patience_ms.load())};
  return hangs_.is_silent(sample, now) && hangs_.judge(probe_process(pid_), now);
}

bool ProcessWatch::exceeds_memory(std::uint64_t bytes_max, TimePoint now) {
  if (!memory_look_) memory_look_ = now;
  if (now - *memory_look_ < config::kMemoryLookInterval) return false;
  memory_look_ = now;
  return own_memory_bytes(pid_) > bytes_max;
}

// Kills that this child has outlived were not its own.
void ProcessWatch::look_at_kills(TimePoint now) {
  if (!kills_look_) kills_look_ = now;
  if (now - *kills_look_ < config::kMemoryLookInterval) return;
  kills_look_ = now;
  kills_before_ = std::exchange(kills_newest_, kills_.read());
}

Termination ProcessWatch::explain(Termination end) const {
  const bool killed = end == Termination{EndKind::kSignalled, SIGKILL};
  if (killed && kills_.read() > kills_before_) end.kind = EndKind::kOutOfMemory;
  return end;
}

}  // namespace troupe::actors::supervision

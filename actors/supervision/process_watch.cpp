#include "actors/supervision/process_watch.hpp"

#include <csignal>

#include "config/limits.hpp"

namespace troupe::actors::supervision {

ProcessWatch::ProcessWatch(pid_t pid) : pid_(pid), kills_(pid), kills_before_(kills_.read()) {}

bool ProcessWatch::hangs(const Beats& beats, TimePoint now) {
  const BeatSample sample{.loop = beats.loop.load(std::memory_order_relaxed),
                          .compute = beats.compute.load(std::memory_order_relaxed),
                          .computing = beats.computing.load(std::memory_order_relaxed) != 0,
                          .patience = Milliseconds(beats.patience_ms.load())};
  return hangs_.is_silent(sample, now) && hangs_.judge(probe_process(pid_), now);
}

bool ProcessWatch::exceeds_memory(std::uint64_t bytes_max, TimePoint now) {
  if (!memory_look_) memory_look_ = now;
  if (now - *memory_look_ < config::kMemoryLookInterval) return false;
  memory_look_ = now;
  // Kills that this child has outlived were not its own.
  kills_before_ = kills_.read();
  return own_memory_bytes(pid_) > bytes_max;
}

Termination ProcessWatch::explain(Termination end) const {
  const bool killed = end == Termination{EndKind::kSignalled, SIGKILL};
  if (killed && kills_.read() > kills_before_) end.kind = EndKind::kOutOfMemory;
  return end;
}

}  // namespace troupe::actors::supervision

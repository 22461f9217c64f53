// Whether a child hangs, from its beats and from what the system says of its threads. Pure.
//
// A late beat alone proves nothing on a busy machine, so silence is judged by what the child did in
// it: a stopped process, a computation that used its processor without getting on, or threads that
// all slept, hang; a thread that waits for a processor or for the disk does not. So does a worker
// that has requests and begins no step, though its main actor beats: the step was lost. On a busy
// machine its threads may never all sleep at a look; then more such beats tell. A child
// whose main actor has not beaten yet starts: it reads, checks and packs weights and answers the
// known prompt, and gets far more time for each part of that.
#pragma once

#include <cstdint>
#include <optional>

#include "actors/supervision/child.hpp"

namespace troupe::actors::supervision {

// Of all threads of a process (proc(5), /proc/PID/task/TID/stat).
enum class Activity : std::uint8_t {
  kGone,     // it cannot be read: whoever waits for its end will hear of it
  kStopped,  // by a signal
  kTraced,   // by a debugger, whose user wants it to live
  kRuns,     // one runs, or waits for a processor or for the disk
  kSleeps,   // all wait for something else
};

struct ProcessSample {
  Activity activity = Activity::kGone;
  Milliseconds cpu{0};  // of all threads, since the process began
};

struct BeatSample {
  std::uint64_t loop = 0;
  std::uint64_t compute = 0;
  std::uint64_t steps = 0;
  bool has_work = false;  // requests that only steps can get on
  bool computing = false;
  bool waits = false;        // while it starts: for another process, however long that takes
  Milliseconds patience{0};  // of processor time, that one operation may take
};

class HangDetector {
 public:
  // To be called every kLookInterval or so, from the start of the process on. True when a beat is
  // overdue, so that judge() must hear what the process does.
  bool is_silent(const BeatSample& beats, TimePoint now);

  // True when it hangs.
  bool judge(const ProcessSample& process, TimePoint now);

  // Whoever was judged last had been stopped: then what it worked on is not to blame.
  bool was_stopped() const { return activity_ == Activity::kStopped; }

 private:
  bool is_stuck() const;

  // When something last got on, and what the process had used by the first look after it.
  struct Silence {
    TimePoint since{};
    std::optional<Milliseconds> cpu{};

    void begin(TimePoint now) { *this = {.since = now}; }
  };

  Silence loop_;
  Silence compute_;                 // of a step, or of a start
  std::uint64_t between_loop_ = 0;  // beats of the main actor when the latest step began or ended
  BeatSample last_;
  Activity activity_ = Activity::kGone;
  Milliseconds cpu_{0};           // that the process had used by then
  std::uint32_t same_looks_ = 0;  // in a row that showed this activity, and nothing that got on
  std::optional<TimePoint> last_look_;
};

}  // namespace troupe::actors::supervision

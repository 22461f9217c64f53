#include "actors/supervision/hang_detector.hpp"

#include <algorithm>

#include "config/limits.hpp"

namespace troupe::actors::supervision {
namespace {

constexpr Milliseconds kSilenceMax = 3 * config::kBeatInterval;
// Two of three beats' time on a processor, or what the child says that an operation may take:
// a computation that only gets a share of a busy processor is not taken for one that hangs.
constexpr Milliseconds kFruitlessCpuMax = 2 * config::kBeatInterval;
// The main actor shares its threads with others, whose work may be long.
constexpr Milliseconds kFruitlessLoopMax{10'000};
// As many looks as fit into three beats, less one for the first that only begins to count.
constexpr std::uint32_t kStillLooksMax =
    static_cast<std::uint32_t>(kSilenceMax / config::kLookInterval) - 1;
// So many beats that each say there are requests and no step. The first may be of a moment ago.
constexpr std::uint64_t kStuckBeats = 4;
// A main actor that has beaten so often had its share of a busy machine: so had the step.
constexpr std::uint64_t kLostStepBeats = 25;
// Root itself was stopped or starved: what it did not see is nobody's silence.
constexpr Milliseconds kLateLook = config::kLookInterval + config::kBeatInterval;

}  // namespace

bool HangDetector::is_silent(const BeatSample& beats, TimePoint now) {
  const bool late = !last_look_ || now - *last_look_ > kLateLook;
  last_look_ = now;
  if (late || beats.loop != last_.loop) loop_.begin(now);
  const bool starts = beats.loop == 0;
  const bool works = starts || beats.computing;
  if (late || beats.compute != last_.compute || !works) compute_.begin(now);
  const bool between = !works && beats.has_work;
  if (late || beats.steps != last_.steps || !between) between_loop_ = beats.loop;
  const std::uint64_t BeatSample::*const sign = works     ? &BeatSample::compute
                                                : between ? &BeatSample::steps
                                                          : &BeatSample::loop;
  const bool got_on = beats.*sign != last_.*sign;
  if (late || got_on || beats.computing != last_.computing) same_looks_ = 0;
  last_ = beats;
  const bool loop_late = !starts && now - loop_.since >= config::kBeatInterval;
  const bool compute_late = works && now - compute_.since >= config::kBeatInterval;
  return loop_late || compute_late || is_stuck();
}

// Has requests, computes nothing, and has begun no step for several beats of its main actor.
bool HangDetector::is_stuck() const {
  return last_.has_work && !last_.computing && last_.loop - between_loop_ >= kStuckBeats;
}

bool HangDetector::judge(const ProcessSample& process, TimePoint now) {
  for (Silence* silence : {&loop_, &compute_}) {
    if (!silence->cpu) silence->cpu = process.cpu;
  }
  const bool starts = last_.loop == 0;
  // A file system in user space copies between two sleeps, which is all that a look may see.
  const bool got_on = starts && process.activity == Activity::kSleeps && process.cpu > cpu_;
  const bool same = process.activity == activity_ && !got_on;
  same_looks_ = same ? same_looks_ + 1 : 1;
  activity_ = process.activity;
  cpu_ = process.cpu;
  const bool loop_silent = !starts && now - loop_.since >= kSilenceMax;
  const bool compute_silent = (starts || last_.computing) && now - compute_.since >= kSilenceMax;
  const Milliseconds patience = starts ? config::kStartPatience : last_.patience;
  if (!loop_silent && !compute_silent && !is_stuck()) return false;
  const bool can_tell =
      process.activity != Activity::kTraced && process.activity != Activity::kGone;
  if (can_tell && is_stuck() && last_.loop - between_loop_ >= kLostStepBeats) return true;
  switch (process.activity) {
    case Activity::kStopped:
      return same_looks_ >= kStillLooksMax;
    case Activity::kSleeps:
      // Only a start reads and writes much, and waits for a slow file system that look like sleep.
      return same_looks_ >= kStillLooksMax &&
             (!starts || (!last_.waits && now - compute_.since >= patience));
    case Activity::kRuns:
      return (compute_silent &&
              process.cpu - *compute_.cpu >= std::max(kFruitlessCpuMax, patience)) ||
             (loop_silent && !last_.computing && process.cpu - *loop_.cpu >= kFruitlessLoopMax);
    case Activity::kTraced:
    case Activity::kGone:
      break;
  }
  return false;
}

}  // namespace troupe::actors::supervision

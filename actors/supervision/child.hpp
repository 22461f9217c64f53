// What a supervisor knows of a child: how it wants to be kept (spec), and how it is (state).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "actors/supervision/termination.hpp"
#include "config/limits.hpp"

namespace troupe::actors::supervision {

using TimePoint = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

// Given in the order of starting and never again.
using ChildId = std::uint64_t;

enum class RestartType : std::uint8_t {
  kPermanent,  // always restarted
  kTransient,  // restarted unless it ended normally
  kTemporary,  // never restarted, and forgotten when it has ended
};

enum class ChildKind : std::uint8_t { kWorker, kSupervisor };

enum class ShutdownKind : std::uint8_t {
  kTimeout,    // asked to end, killed after `timeout`
  kInfinity,   // asked to end, never killed
  kBrutalKill  // killed at once
};

struct Shutdown {
  ShutdownKind kind = ShutdownKind::kTimeout;
  Milliseconds timeout = config::kTerminateTimeout;
  // A child that serves is first asked to finish what it has, for this long.
  std::optional<Milliseconds> drain{};

  bool operator==(const Shutdown&) const = default;
};

// What happens when a child failed more often than the intensity allows: in the period, or since it
// was last ready.
enum class Beyond : std::uint8_t {
  kEscalate,   // the supervisor ends all its children and itself (OTP)
  kChildOnly,  // the child is given up when it was not once ready in between, else it restarts at
               // the longest back-off; its failures count for itself alone
};

struct ChildSpec {
  std::string name;
  ChildKind kind = ChildKind::kWorker;
  RestartType restart = RestartType::kPermanent;
  Shutdown shutdown{};
  bool significant = false;  // its own normal end may end the supervisor (AutoShutdown)
  Beyond beyond = Beyond::kEscalate;
  std::optional<Milliseconds> start_timeout{};  // from its start to being ready; unset: no limit
  std::optional<Milliseconds> validation{};     // to answer the known prompt; unset: not asked

  bool operator==(const ChildSpec&) const = default;
};

// A worker's way back is detect (kIsolated), isolate, restore (kWaiting, kStarting), validate
// (kValidating); only kReady gets traffic.
enum class Phase : std::uint8_t {
  kWaiting,     // not running, a restart is due
  kStarting,    // running, not ready
  kValidating,  // ready, asked the known prompt, gets no traffic
  kReady,
  kIsolated,  // found hung or wrong and killed; its end is awaited
  kStopping,  // asked to stop
  kEnded,     // not running, and no restart of its own is due
};

const char* name_of(Phase phase);

enum class StopStep : std::uint8_t { kDrain, kTerminate, kKill };

// Why a child is recycled.
enum class Fitness : std::uint8_t {
  kWornOut,  // it has served, and another incarnation will: no failure
  kUnfit,    // it could not do with what it has from the first moment on, nor will the next one
};

enum class AfterStop : std::uint8_t { kEnd, kRestart, kFollowGroup };

struct ChildState {
  ChildId id = 0;
  ChildSpec spec;
  Phase phase = Phase::kEnded;
  std::uint64_t generation = 0;  // of the latest incarnation; 0: none yet
  std::uint64_t told = 0;        // that the latest report was about; 0: none yet
  std::uint32_t restarts = 0;
  bool ever_ready = false;
  bool given_up = false;   // Beyond::kChildOnly
  bool killed = false;     // it outlived its shutdown's time
  bool announced = false;  // the latest report of it promised a restart
  bool to_stop = false;    // its turn to be stopped will come
  StopStep stop_step{};    // kStopping
  AfterStop after_stop{};
  EndKind isolated_as{};                  // kIsolated
  std::optional<TimePoint> started_at;    // of the latest incarnation
  std::optional<TimePoint> ready_at;      // unset until the latest incarnation is ready
  std::optional<TimePoint> died_at;       // when the previous incarnation died
  std::optional<TimePoint> restart_at;    // kWaiting, unless it waits for its group
  std::optional<TimePoint> deadline;      // of the stop step, the start or the validation
  Milliseconds backoff{0};                // before the latest restart
  std::uint32_t failures = 0;             // deaths by work without a healthy time between
  std::uint32_t failed_starts = 0;        // failures since it was last ready
  std::uint32_t unfit = 0;                // recycled as Fitness::kUnfit so often in a row
  std::deque<TimePoint> recent_failures;  // within the period, at most intensity + 1

  // A process or an actor of it exists.
  bool runs() const { return phase != Phase::kWaiting && phase != Phase::kEnded; }
};

}  // namespace troupe::actors::supervision

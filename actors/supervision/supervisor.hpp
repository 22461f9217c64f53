// The supervisor core: which child to start, stop or give up on, and when. Pure: time and chance
// come in as arguments, what to do goes out as actions. Semantics after Erlang/OTP
// (https://www.erlang.org/doc/system/sup_princ.html).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/supervision/termination.hpp"
#include "config/limits.hpp"

namespace troupe::actors::supervision {

using TimePoint = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

enum class RestartType : std::uint8_t {
  kPermanent,  // always restarted
  kTransient,  // restarted unless it exited with 0
  kTemporary,  // never restarted
};

enum class Strategy : std::uint8_t { kOneForOne };

struct ChildSpec {
  std::string name;
  RestartType restart = RestartType::kPermanent;
  Milliseconds shutdown_timeout =
      config::kTerminateTimeout;  // between asking it to stop and killing it
};

struct SupervisorPolicy {
  Strategy strategy = Strategy::kOneForOne;
  std::uint32_t intensity = 10;  // deaths by work in `period` that are still borne
  Milliseconds period{60'000};
  Milliseconds backoff_first = config::kBackoffFirst;
  Milliseconds backoff_max = config::kBackoffMax;
  Milliseconds healthy_after{60'000};  // ready for this long, a child starts at backoff_first again
};

enum class Phase : std::uint8_t {
  kWaiting,   // not running, a restart is due at `restart_at`
  kStarting,  // running, not ready
  kReady,
  kStopping,  // asked to stop
  kEnded,     // not running, and nothing will start it
};

struct ChildState {
  ChildSpec spec;
  Phase phase = Phase::kEnded;
  std::uint64_t generation = 0;  // of the latest incarnation
  std::uint32_t restarts = 0;
  bool ever_ready = false;
  bool killed = false;                    // it outlived its shutdown_timeout
  std::optional<TimePoint> started_at;    // of the latest incarnation
  std::optional<TimePoint> ready_at;      // unset until the latest incarnation is ready
  std::optional<TimePoint> died_at;       // when the previous incarnation died
  std::optional<TimePoint> restart_at;    // kWaiting
  std::optional<TimePoint> kill_at;       // kStopping
  Milliseconds backoff{0};                // before the latest restart
  std::uint32_t failures = 0;             // deaths by work without a healthy time between
  std::deque<TimePoint> recent_failures;  // within `period`, oldest first, at most intensity + 1
};

enum class ActionKind : std::uint8_t {
  kStart,    // start this generation of the child
  kStop,     // ask it to stop
  kKill,     // end it
  kGiveUp,   // the node cannot work because of this child; a stop in order follows
  kStopped,  // every child has ended; `child` means nothing
};

struct Action {
  ActionKind kind{};
  std::size_t child = 0;
  std::uint64_t generation = 0;

  bool operator==(const Action&) const = default;
};

class Supervisor {
 public:
  using Actions = std::vector<Action>;
  // Uniform in [0, 1).
  using Random = std::function<double()>;

  // Children start in this order and stop in the reverse one. Generations begin above
  // `generation_base`.
  Supervisor(std::vector<ChildSpec> children,
             SupervisorPolicy policy,
             std::uint64_t generation_base,
             Random random);

  // Starts all children; they become ready side by side.
  Actions start(TimePoint now);

  // Events of an incarnation; those of another generation than the latest are ignored.
  void ready(std::size_t child, std::uint64_t generation, TimePoint now);
  Actions terminated(std::size_t child, std::uint64_t generation, Termination end, TimePoint now);

  // What is due: restarts after back-off, kills after a shutdown time-out.
  Actions tick(TimePoint now);
  std::optional<TimePoint> next_wakeup() const;

  // Stops the children one by one, last started first. Those whose turn has not come are still
  // restarted, so that the ones that drain can finish.
  Actions stop(TimePoint now);
  // Kills what runs.
  Actions stop_now(TimePoint now);

  const std::vector<ChildState>& children() const { return children_; }

  const SupervisorPolicy& policy() const { return policy_; }

  bool stopping() const { return stopping_; }

  std::uint32_t failures_in_period(std::size_t child, TimePoint now) const;

 private:
  static bool runs(const ChildState& child);
  Action start_child(std::size_t child, TimePoint now);
  void count_failure(ChildState& child, TimePoint now);
  bool exceeds_intensity(const ChildState& child, TimePoint now) const;
  Milliseconds backoff_of(const ChildState& child, TimePoint now);
  Milliseconds delay_after(ChildState& child, const Termination& end, TimePoint now);
  bool must_give_up(const ChildState& child, const Termination& end, TimePoint now) const;
  static bool wants_restart(const ChildState& child, const Termination& end);
  Actions give_up(std::size_t child, TimePoint now);
  Actions continue_stop(TimePoint now);

  std::vector<ChildState> children_;
  SupervisorPolicy policy_;
  std::uint64_t generation_;
  Random random_;
  bool stopping_ = false;
  bool stopped_ = false;
  std::size_t remaining_ = 0;  // children [0, remaining_) have not been asked to stop
};

}  // namespace troupe::actors::supervision

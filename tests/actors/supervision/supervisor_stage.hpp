// A supervisor under test, its virtual clock, and what it asked for.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "actors/supervision/supervisor.hpp"

namespace troupe::tests {

using namespace actors::supervision;
using namespace std::chrono_literals;

inline constexpr Termination kSegfault{EndKind::kSignalled, SIGSEGV};
inline constexpr Termination kKilled{EndKind::kSignalled, SIGKILL};
inline constexpr Termination kNormal{EndKind::kExited, 0};
inline constexpr Termination kFailed{EndKind::kExited, 1};
inline constexpr Termination kShutdownEnd{EndKind::kShutDown, 0};
inline constexpr Termination kMisconfigured{EndKind::kExited, kExitMisconfigured};

inline constexpr std::uint64_t kBase = 1000;

// OTP's own policy: no back-off, the intensity counts for all children.
inline SupervisorPolicy otp(Strategy strategy,
                            std::uint32_t intensity = 2,
                            Milliseconds period = 3600s) {
  return {.strategy = strategy,
          .intensity = intensity,
          .period = period,
          .backoff_first = Milliseconds(0)};
}

inline ChildSpec child_of(std::string name, RestartType type = RestartType::kPermanent) {
  return {.name = std::move(name), .restart = type, .shutdown = {.timeout = 1s}};
}

class Stage {
 public:
  Stage(std::vector<ChildSpec> specs, SupervisorPolicy policy, double chance = 0.999999)
      : core(std::move(specs), policy, kBase, [chance] { return chance; }) {
    take(core.start(now));
  }

  // Adds to what was asked for.
  void take(const Supervisor::Actions& more) {
    for (const Action& action : more) {
      actions.push_back(action);
      const ChildState* known = core.find(action.child);
      if (known != nullptr) last_name_ = known->spec.name;
      if (action.kind == ActionKind::kStart) note("start");
      if (action.kind == ActionKind::kValidate) note("validate");
      if (action.kind == ActionKind::kAdmit) note("admit");
      if (action.kind == ActionKind::kDrain) note("drain");
      if (action.kind == ActionKind::kTerminate) note("term");
      if (action.kind == ActionKind::kKill) note("kill");
      if (action.kind == ActionKind::kGiveUp) note("give_up");
      if (action.kind == ActionKind::kExit) words += "exit ";
    }
  }

  void clear() {
    actions.clear();
    words.clear();
  }

  const ChildState& child(std::string_view name) const {
    const ChildState* known = core.find(name);
    BOOST_REQUIRE_MESSAGE(known != nullptr, "no child " << name);
    return *known;
  }

  // Each event forgets what was asked for before it.
  void ready(std::string_view name) {
    clear();
    const ChildState& it = child(name);
    take(core.ready(it.id, it.generation, now));
  }

  void all_ready() {
    for (const ChildView& view : core.which_children()) {
      if (child(view.name).phase == Phase::kStarting) ready(view.name);
    }
    clear();
  }

  void ends(std::string_view name, Termination end) {
    clear();
    const ChildState& it = child(name);
    take(core.terminated(it.id, it.generation, end, now));
  }

  void pass(Milliseconds time) {
    clear();
    now += time;
    take(core.tick(now));
  }

  void stop() {
    clear();
    take(core.stop(now));
  }

  Reply add(ChildSpec spec) { return answer(core.start_child(std::move(spec), now)); }

  Reply add() { return answer(core.start_dynamic(now)); }

  Reply terminate(std::string_view name) { return answer(core.terminate_child(name, now)); }

  Reply restart(std::string_view name) { return answer(core.restart_child(name, now)); }

  // Passes the time until the next thing is due; how long that was.
  Milliseconds wait() {
    BOOST_REQUIRE(core.next_wakeup().has_value());
    const auto time = std::chrono::duration_cast<Milliseconds>(*core.next_wakeup() - now);
    pass(time);
    return time;
  }

  // "a=running b=restarting c=undefined"
  std::string which() const {
    std::string text;
    for (const ChildView& view : core.which_children()) {
      const char* status = view.status == ChildStatus::kRunning      ? "running"
                           : view.status == ChildStatus::kRestarting ? "restarting"
                                                                     : "undefined";
      text += (text.empty() ? "" : " ") + view.name + "=" + status;
    }
    return text;
  }

  // {specs, active, supervisors, workers}
  std::vector<std::size_t> counts() const {
    const ChildCounts counts = core.count_children();
    return {counts.specs, counts.active, counts.supervisors, counts.workers};
  }

  // The latest report of this kind.
  const Report* reported(ReportEvent event) const {
    const Report* last = nullptr;
    for (const Action& action : actions) {
      if (action.report && action.report->event == event) last = &*action.report;
    }
    return last;
  }

  TimePoint now{};
  Supervisor core;
  Supervisor::Actions actions;
  std::string words;  // "start:a term:b exit ", without reports

 private:
  Reply answer(std::pair<Reply, Supervisor::Actions> both) {
    clear();
    take(both.second);
    return both.first;
  }

  void note(const char* what) { words += std::string(what) + ":" + last_name_ + " "; }

  std::string last_name_;
};

inline std::vector<std::size_t> numbers(std::initializer_list<std::size_t> list) { return list; }

}  // namespace troupe::tests

// The supervisor core: which child to start, stop or give up on, and when. Pure: time and chance
// come in as arguments, what to do goes out as actions. Semantics after Erlang/OTP
// (https://www.erlang.org/doc/system/sup_princ.html) and, beyond it, those of
// docs/decisions/0015-supervisor-core.md.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/supervision/action.hpp"
#include "actors/supervision/child.hpp"
#include "actors/supervision/policy.hpp"

namespace troupe::actors::supervision {

class Supervisor {
 public:
  using Actions = std::vector<Action>;
  // Uniform in [0, 1).
  using Random = std::function<double()>;

  // Children start in this order and stop in the reverse one. Generations begin above
  // `generation_base`. With kSimpleOneForOne the one spec is the pattern of all children. Specs
  // that valid() refuses are a bug.
  Supervisor(std::vector<ChildSpec> children,
             SupervisorPolicy policy,
             std::uint64_t generation_base,
             Random random);

  static bool valid(const ChildSpec& spec, const SupervisorPolicy& policy);

  Actions start(TimePoint now);

  // Events of an incarnation; those of another generation than the latest are ignored.
  Actions ready(ChildId child, std::uint64_t generation, TimePoint now);
  Actions validated(ChildId child, std::uint64_t generation, bool right, TimePoint now);
  Actions ignored(ChildId child, std::uint64_t generation, TimePoint now);  // it has nothing to do
  Actions terminated(ChildId child, std::uint64_t generation, Termination end, TimePoint now);
  // It must be killed: kHung, kStopped, kInvalid.
  Actions isolate(ChildId child, std::uint64_t generation, EndKind why, TimePoint now);
  // Stops it in order and starts it again. An unfit one has failed: it waits its back-off, and when
  // it was unfit more often in a row than the intensity allows it is given up.
  Actions recycle(ChildId child, std::uint64_t generation, Fitness fitness, TimePoint now);

  // What is due: restarts, steps of stopping, limits of start and validation.
  Actions tick(TimePoint now);
  std::optional<TimePoint> next_wakeup() const;

  // Stops the children one by one, last started first (of kSimpleOneForOne: all at once).
  Actions stop(TimePoint now);
  // Kills what runs.
  Actions stop_now(TimePoint now);

  // Administration, as in OTP. The stop of a terminated child ends with a report.
  std::pair<Reply, Actions> start_child(ChildSpec spec, TimePoint now);
  std::pair<Reply, Actions> start_dynamic(TimePoint now);  // kSimpleOneForOne
  std::pair<Reply, Actions> terminate_child(std::string_view name, TimePoint now);
  std::pair<Reply, Actions> restart_child(std::string_view name, TimePoint now);
  Reply delete_child(std::string_view name);
  std::vector<ChildView> which_children() const;  // in the order of their start
  // Reports from which alone a replay of the log makes which_children().
  Actions standing() const;
  ChildCounts count_children() const;

  const std::map<ChildId, ChildState>& children() const { return children_; }

  const ChildState* find(ChildId child) const;
  const ChildState* find(std::string_view name) const;

  const SupervisorPolicy& policy() const { return policy_; }

  bool stopping() const { return stopping_; }

  ExitReason exit_reason() const { return exit_reason_; }

  // What the parent of this supervisor hears when kExit has come.
  Termination exit() const;

  std::uint32_t failures_in_period(const ChildState& child, TimePoint now) const;

 private:
  ChildState& add(ChildSpec spec);
  void erase(ChildState& child);
  void forget_or_end(ChildState& child);
  ChildState* current(ChildId child, std::uint64_t generation);
  Actions take(TimePoint now);
  void act(ActionKind kind, const ChildState& child);
  void report(ReportEvent event, ChildState& child, Report report);

  void start_one(ChildState& child, TimePoint now);
  void admit(ChildState& child, TimePoint now);
  void kill_isolated(ChildState& child, EndKind why);
  void died(ChildState& child, Termination end, TimePoint now);
  void give_up(ChildState& child);
  void stopped_as_asked(ChildState& child, Termination end, TimePoint now);
  void restart(ChildState& child, Termination end, TimePoint now);
  void count_failure(ChildState& child, TimePoint now);
  bool is_beyond(const ChildState& child, TimePoint now) const;
  bool has_ready_peer(const ChildState& child) const;
  bool fails_at_every_start(const ChildState& child) const;
  bool must_escalate(const ChildState& child, const Termination& end, TimePoint now) const;
  Milliseconds delay_after(const ChildState& child, const Termination& end, TimePoint now);
  Milliseconds backoff_of(const ChildState& child, TimePoint now);
  void plan_group(ChildState& leader, TimePoint now);
  void shut_down_if_significant(const ChildState& child);
  void shut_down(ExitReason reason);

  void ask_to_stop(ChildState& child, AfterStop after, TimePoint now);
  void take_stop_step(ChildState& child, StopStep step, TimePoint now);
  void pass_deadline(ChildState& child, TimePoint now);
  bool continue_stops(TimePoint now);
  void start_due(TimePoint now);
  bool group_waits() const;
  void continue_group(TimePoint now);
  bool all_ended() const;
  void call_off(ChildState& child);
  void leave_group(ChildId child);

  SupervisorPolicy policy_;
  ChildSpec pattern_;  // kSimpleOneForOne
  std::map<ChildId, ChildState> children_;
  std::map<std::string, ChildId, std::less<>> names_;
  std::uint64_t generation_;
  ChildId last_id_ = 0;
  Random random_;
  std::deque<TimePoint> recent_failures_;  // of children that escalate
  // A group under way: what is to be started, in this order, not before group_at_.
  std::deque<ChildId> group_;
  ChildId leader_ = 0;  // whose death began it; 0: the first start
  TimePoint group_at_{};
  bool first_start_ = false;
  bool stopping_ = false;
  bool exited_ = false;
  ExitReason exit_reason_ = ExitReason::kAsked;
  Actions actions_;
};

}  // namespace troupe::actors::supervision

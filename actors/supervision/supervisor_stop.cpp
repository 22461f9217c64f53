// Sequences: who is stopped and started next, and what is due.
#include <algorithm>
#include <utility>

#include "actors/supervision/supervisor.hpp"

namespace troupe::actors::supervision {

// one_for_all and rest_for_one: the leader's death stops its group in reverse order, and starts it
// again in order when the leader's back-off is over.
void Supervisor::plan_group(ChildState& leader, TimePoint now) {
  const bool all = policy_.strategy == Strategy::kOneForAll;
  if (!all && policy_.strategy != Strategy::kRestForOne) return;
  const auto begin = all ? children_.begin() : children_.find(leader.id);
  group_.clear();
  group_at_ = now + leader.backoff;
  leader_ = leader.id;
  for (auto it = begin; it != children_.end(); ++it) {
    ChildState& child = it->second;
    if (child.phase == Phase::kStopping && child.after_stop == AfterStop::kEnd) continue;
    if (child.runs()) child.to_stop = true;
    if (child.id != leader.id) call_off(child);
    child.restart_at.reset();
    if (child.spec.restart != RestartType::kTemporary) group_.push_back(child.id);
  }
}

void Supervisor::leave_group(ChildId id) {
  std::erase(group_, id);
  if (leader_ != id) return;
  // The others waited for it. Who ended it by hand decides about them too, as in OTP.
  group_.clear();
  leader_ = 0;
}

// A restart that was promised will not come, or only with its group.
void Supervisor::call_off(ChildState& child) {
  if (child.phase != Phase::kWaiting) return;
  child.phase = Phase::kEnded;
  child.restart_at.reset();
  report(ReportEvent::kShutdown, child, {});
}

void Supervisor::shut_down(ExitReason reason) {
  if (stopping_) return;
  stopping_ = true;
  exit_reason_ = reason;
  group_.clear();
  leader_ = 0;
  for (auto& [id, child] : children_) {
    child.to_stop = child.runs() || child.phase == Phase::kWaiting;
    const bool waits_for_group = child.phase == Phase::kWaiting && !child.restart_at;
    if (waits_for_group || !policy_.restarts_while_stopping) child.restart_at.reset();
  }
}

Supervisor::Actions Supervisor::stop(TimePoint now) {
  shut_down(ExitReason::kAsked);
  return take(now);
}

Supervisor::Actions Supervisor::stop_now(TimePoint now) {
  shut_down(ExitReason::kAsked);
  for (auto& [id, child] : children_) {
    call_off(child);
    child.to_stop = false;
    if (!child.runs()) continue;
    child.killed = true;
    child.phase = Phase::kStopping;
    child.after_stop = AfterStop::kEnd;
    take_stop_step(child, StopStep::kKill, now);
  }
  return take(now);
}

void Supervisor::ask_to_stop(ChildState& child, AfterStop after, TimePoint now) {
  const bool serves = child.phase == Phase::kReady;
  const bool isolated = child.phase == Phase::kIsolated;
  child.to_stop = false;
  child.phase = Phase::kStopping;
  child.after_stop = after;
  child.deadline.reset();
  if (isolated) {
    child.stop_step = StopStep::kKill;  // it has been killed already
  } else if (child.spec.shutdown.kind == ShutdownKind::kBrutalKill) {
    take_stop_step(child, StopStep::kKill, now);
  } else if (serves && child.spec.shutdown.drain) {
    take_stop_step(child, StopStep::kDrain, now);
  } else {
    take_stop_step(child, StopStep::kTerminate, now);
  }
}

void Supervisor::take_stop_step(ChildState& child, StopStep step, TimePoint now) {
  const Shutdown& shutdown = child.spec.shutdown;
  child.stop_step = step;
  child.deadline.reset();
  if (step == StopStep::kDrain) {
    child.deadline = now + *shutdown.drain;
    act(ActionKind::kDrain, child);
  } else if (step == StopStep::kTerminate) {
    if (shutdown.kind == ShutdownKind::kTimeout) child.deadline = now + shutdown.timeout;
    act(ActionKind::kTerminate, child);
  } else {
    act(ActionKind::kKill, child);
  }
}

void Supervisor::stopped_as_asked(ChildState& child, Termination end, TimePoint now) {
  const bool recycled = child.after_stop == AfterStop::kRestart && !stopping_;
  const bool unfit = recycled && child.unfit > 0;
  if (unfit) count_failure(child, now);
  const bool restarts = recycled && child.unfit <= policy_.intensity;
  Report stopped{.end = end, .restarts_in_window = failures_in_period(child, now)};
  if (restarts) stopped.backoff = child.backoff = unfit ? backoff_of(child, now) : Milliseconds(0);
  report(child.killed ? ReportEvent::kShutdownError : ReportEvent::kShutdown,
         child,
         std::move(stopped));
  if (restarts) {
    child.phase = Phase::kWaiting;
    child.restart_at = now + child.backoff;
  } else if (recycled) {
    give_up(child);
    if (child.spec.beyond == Beyond::kEscalate) shut_down(ExitReason::kEscalated);
  } else {
    forget_or_end(child);
  }
}

Supervisor::Actions Supervisor::recycle(ChildId id,
                                        std::uint64_t generation,
                                        Fitness fitness,
                                        TimePoint now) {
  ChildState* child = current(id, generation);
  if (child == nullptr || stopping_) return {};
  if (child->phase == Phase::kStopping || child->phase == Phase::kIsolated) return {};
  child->unfit = fitness == Fitness::kUnfit ? child->unfit + 1 : 0;
  ask_to_stop(*child, AfterStop::kRestart, now);
  return take(now);
}

Supervisor::Actions Supervisor::tick(TimePoint now) {
  for (auto& [id, child] : children_) {
    if (child.deadline && *child.deadline <= now) pass_deadline(child, now);
  }
  return take(now);
}

void Supervisor::pass_deadline(ChildState& child, TimePoint now) {
  child.deadline.reset();
  if (child.phase == Phase::kStarting) return kill_isolated(child, EndKind::kHung);
  if (child.phase == Phase::kValidating) return kill_isolated(child, EndKind::kInvalid);
  if (child.stop_step == StopStep::kDrain) return take_stop_step(child, StopStep::kTerminate, now);
  child.killed = true;
  take_stop_step(child, StopStep::kKill, now);
}

std::optional<TimePoint> Supervisor::next_wakeup() const {
  std::optional<TimePoint> next;
  const auto consider = [&next](std::optional<TimePoint> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  bool group_stops = false;
  for (const auto& [id, child] : children_) {
    consider(child.restart_at);
    consider(child.deadline);
    const bool follows =
        child.phase == Phase::kStopping && child.after_stop == AfterStop::kFollowGroup;
    group_stops = group_stops || child.to_stop || follows;
  }
  // Once begun, the group waits for its members, not for time.
  const bool begins = leader_ != 0 && !group_.empty() && !group_stops && !group_waits();
  if (begins && find(leader_)->phase == Phase::kWaiting) consider(group_at_);
  return next;
}

// Stops the last of those whose turn is to come; true when none is left and the last has ended.
bool Supervisor::continue_stops(TimePoint now) {
  const bool at_once = policy_.strategy == Strategy::kSimpleOneForOne;
  const AfterStop after = stopping_ ? AfterStop::kEnd : AfterStop::kFollowGroup;
  bool waits = false;
  for (auto it = children_.rbegin(); it != children_.rend() && (!waits || at_once); ++it) {
    ChildState& child = it->second;
    const bool turn = std::exchange(child.to_stop, false);
    if (child.phase == Phase::kStopping) {
      if (turn) child.after_stop = after;
      waits = waits || stopping_ || child.after_stop == AfterStop::kFollowGroup;
    } else if (turn && child.runs()) {
      ask_to_stop(child, after, now);
      waits = true;
    } else if (turn) {
      call_off(child);
    }
  }
  return !waits;
}

void Supervisor::start_due(TimePoint now) {
  for (auto& [id, child] : children_) {
    if (child.restart_at && *child.restart_at <= now) start_one(child, now);
  }
}

// With kInOrder a start waits for those under way.
bool Supervisor::group_waits() const {
  if (policy_.start_order != StartOrder::kInOrder) return false;
  return std::ranges::any_of(children_, [](const auto& entry) {
    const Phase phase = entry.second.phase;
    return phase == Phase::kStarting || phase == Phase::kValidating || phase == Phase::kIsolated;
  });
}

void Supervisor::continue_group(TimePoint now) {
  while (!group_.empty() && now >= group_at_ && !group_waits()) {
    ChildState& child = children_.at(group_.front());
    group_.pop_front();
    if (!child.runs()) start_one(child, now);
  }
  if (!group_.empty()) return;
  leader_ = 0;
  const auto starts = [](const auto& entry) { return entry.second.phase == Phase::kStarting; };
  if (std::ranges::none_of(children_, starts)) first_start_ = false;
}

bool Supervisor::all_ended() const {
  return std::ranges::none_of(children_, [](const auto& entry) {
    return entry.second.runs() || entry.second.phase == Phase::kWaiting;
  });
}

}  // namespace troupe::actors::supervision

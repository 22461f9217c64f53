// Children that come and go by order, and what a supervisor says of them.
#include <utility>

#include "actors/supervision/supervisor.hpp"

namespace troupe::actors::supervision {

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::kWaiting:
      return "waiting";
    case Phase::kStarting:
      return "starting";
    case Phase::kValidating:
      return "validating";
    case Phase::kReady:
      return "ready";
    case Phase::kIsolated:
      return "isolated";
    case Phase::kStopping:
      return "stopping";
    case Phase::kEnded:
      break;
  }
  return "ended";
}

std::pair<Reply, Supervisor::Actions> Supervisor::start_child(ChildSpec spec, TimePoint now) {
  if (policy_.strategy == Strategy::kSimpleOneForOne) return {Reply::kSimpleOneForOne, {}};
  if (stopping_) return {Reply::kShuttingDown, {}};
  if (!valid(spec, policy_)) return {Reply::kInvalidSpec, {}};
  if (const ChildState* known = find(spec.name)) {
    return {known->runs() ? Reply::kAlreadyStarted : Reply::kAlreadyPresent, {}};
  }
  if (children_.size() >= policy_.children_max) return {Reply::kFull, {}};
  start_one(add(std::move(spec)), now);
  return {Reply::kOk, take(now)};
}

std::pair<Reply, Supervisor::Actions> Supervisor::start_dynamic(TimePoint now) {
  if (policy_.strategy != Strategy::kSimpleOneForOne) return {Reply::kInvalidSpec, {}};
  if (stopping_) return {Reply::kShuttingDown, {}};
  if (children_.size() >= policy_.children_max) return {Reply::kFull, {}};
  ChildSpec spec = pattern_;
  spec.name += "-" + std::to_string(last_id_ + 1);
  start_one(add(std::move(spec)), now);
  return {Reply::kOk, take(now)};
}

std::pair<Reply, Supervisor::Actions> Supervisor::terminate_child(std::string_view name,
                                                                  TimePoint now) {
  const auto found = names_.find(name);
  if (found == names_.end()) return {Reply::kNotFound, {}};
  ChildState& child = children_.at(found->second);
  if (child.phase == Phase::kStopping) {
    child.after_stop = AfterStop::kEnd;
    leave_group(child.id);
  } else if (child.runs()) {
    leave_group(child.id);
    ask_to_stop(child, AfterStop::kEnd, now);
  } else {
    leave_group(child.id);
    call_off(child);
    forget_or_end(child);
  }
  return {Reply::kOk, take(now)};
}

std::pair<Reply, Supervisor::Actions> Supervisor::restart_child(std::string_view name,
                                                                TimePoint now) {
  if (policy_.strategy == Strategy::kSimpleOneForOne) return {Reply::kSimpleOneForOne, {}};
  if (stopping_) return {Reply::kShuttingDown, {}};
  const auto found = names_.find(name);
  if (found == names_.end()) return {Reply::kNotFound, {}};
  ChildState& child = children_.at(found->second);
  if (child.phase == Phase::kWaiting) return {Reply::kRestarting, {}};
  if (child.runs()) return {Reply::kRunning, {}};
  leave_group(child.id);
  // Whoever starts it by hand has done something about its failures.
  child.failures = 0;
  child.failed_starts = 0;
  child.unfit = 0;
  child.recent_failures.clear();
  start_one(child, now);
  return {Reply::kOk, take(now)};
}

Reply Supervisor::delete_child(std::string_view name) {
  if (policy_.strategy == Strategy::kSimpleOneForOne) return Reply::kSimpleOneForOne;
  const auto found = names_.find(name);
  if (found == names_.end()) return Reply::kNotFound;
  ChildState& child = children_.at(found->second);
  if (child.phase == Phase::kWaiting) return Reply::kRestarting;
  if (child.runs()) return Reply::kRunning;
  erase(child);
  return Reply::kOk;
}

// A child counts as running from when it was ready to its end, and as restarting from when its
// restart was promised: what restart.log tells.
std::vector<ChildView> Supervisor::which_children() const {
  std::vector<ChildView> views;
  for (const auto& [id, child] : children_) {
    const bool serves = child.runs() && child.ready_at.has_value();
    const bool comes = child.announced && (child.runs() || child.phase == Phase::kWaiting);
    views.push_back({.name = child.spec.name,
                     .kind = child.spec.kind,
                     .status = serves  ? ChildStatus::kRunning
                               : comes ? ChildStatus::kRestarting
                                       : ChildStatus::kUndefined,
                     .generation = child.told});
  }
  return views;
}

Supervisor::Actions Supervisor::standing() const {
  Actions actions;
  for (const ChildView& view : which_children()) {
    if (view.generation == 0) continue;  // nothing has been told of it
    const ChildState& child = *find(view.name);
    const bool serves = view.status == ChildStatus::kRunning;
    Report report{.event = serves ? ReportEvent::kProgress : ReportEvent::kShutdown,
                  .child = view.name,
                  .restart = child.spec.restart};
    if (view.status == ChildStatus::kRestarting) report.backoff = child.backoff;
    actions.push_back({.kind = ActionKind::kReport,
                       .child = child.id,
                       .generation = view.generation,
                       .report = std::move(report)});
  }
  return actions;
}

ChildCounts Supervisor::count_children() const {
  ChildCounts counts;
  for (const auto& [id, child] : children_) {
    ++counts.specs;
    if (child.runs()) ++counts.active;
    ++(child.spec.kind == ChildKind::kSupervisor ? counts.supervisors : counts.workers);
  }
  if (policy_.strategy == Strategy::kSimpleOneForOne) counts.specs = 1;
  return counts;
}

}  // namespace troupe::actors::supervision

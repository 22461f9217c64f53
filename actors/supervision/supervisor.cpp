#include "actors/supervision/supervisor.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "config/check.hpp"

namespace troupe::actors::supervision {
namespace {

// Later doublings have long reached any ceiling; the bound keeps the shift defined.
constexpr std::uint32_t kDoublingsMax = 20;

bool is_simple(const SupervisorPolicy& policy) {
  return policy.strategy == Strategy::kSimpleOneForOne;
}

// Somebody's kill or stop and the kernel's want of memory say nothing about the child.
bool is_failure(const Termination& end) {
  const Cause cause = cause_of(end);
  const bool by_somebody = end.kind == EndKind::kSignalled || end.kind == EndKind::kStopped;
  return cause != Cause::kMemory && !(cause == Cause::kOutside && by_somebody);
}

// What the supervisor's own SIGKILL looks like. Any other end came before it, and is the true one.
bool is_of_kill(const Termination& end) {
  return end == Termination{EndKind::kSignalled, SIGKILL} || end.kind == EndKind::kOutOfMemory ||
         end.kind == EndKind::kUnknown;
}

bool wants_restart(const ChildSpec& spec, const Termination& end) {
  if (spec.restart == RestartType::kTemporary) return false;
  return spec.restart == RestartType::kPermanent || !is_normal(end);
}

std::uint32_t count_recent(const std::deque<TimePoint>& times, TimePoint now, Milliseconds period) {
  const auto recent = [&](TimePoint time) { return now - time <= period; };
  return static_cast<std::uint32_t>(std::ranges::count_if(times, recent));
}

}  // namespace

Supervisor::Supervisor(std::vector<ChildSpec> children,
                       SupervisorPolicy policy,
                       std::uint64_t generation_base,
                       Random random)
    : policy_(policy), generation_(generation_base), random_(std::move(random)) {
  for (const ChildSpec& spec : children) CHECK(valid(spec, policy_), "a child's spec is valid");
  if (is_simple(policy_)) {
    CHECK(children.size() == 1, "simple_one_for_one has one pattern");
    pattern_ = std::move(children.front());
    return;
  }
  CHECK(children.size() <= policy_.children_max, "no more children than children_max");
  for (ChildSpec& spec : children) add(std::move(spec));
}

// A permanent child never ends for good, so it cannot end its supervisor by doing so.
bool Supervisor::valid(const ChildSpec& spec, const SupervisorPolicy& policy) {
  if (spec.name.empty()) return false;
  if (!spec.significant) return true;
  return spec.restart != RestartType::kPermanent && policy.auto_shutdown != AutoShutdown::kNever;
}

ChildState& Supervisor::add(ChildSpec spec) {
  const ChildId id = ++last_id_;
  CHECK(names_.emplace(spec.name, id).second, "names of children differ");
  ChildState& child = children_[id];
  child.id = id;
  child.spec = std::move(spec);
  return child;
}

void Supervisor::erase(ChildState& child) {
  leave_group(child.id);
  names_.erase(child.spec.name);
  children_.erase(child.id);
}

// What has ended for good is kept only where somebody could ask for its restart.
void Supervisor::forget_or_end(ChildState& child) {
  child.phase = Phase::kEnded;
  if (is_simple(policy_) || child.spec.restart == RestartType::kTemporary) erase(child);
}

const ChildState* Supervisor::find(ChildId id) const {
  const auto found = children_.find(id);
  return found == children_.end() ? nullptr : &found->second;
}

const ChildState* Supervisor::find(std::string_view name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : find(found->second);
}

ChildState* Supervisor::current(ChildId id, std::uint64_t generation) {
  const auto found = children_.find(id);
  if (found == children_.end() || !found->second.runs()) return nullptr;
  return found->second.generation == generation ? &found->second : nullptr;
}

// Every public operation ends here: what it has made possible is done.
Supervisor::Actions Supervisor::take(TimePoint now) {
  const bool stopped = continue_stops(now);
  start_due(now);
  if (stopped) continue_group(now);
  if (stopping_ && !exited_ && all_ended()) {
    exited_ = true;
    actions_.push_back({.kind = ActionKind::kExit});
  }
  return std::exchange(actions_, {});
}

void Supervisor::act(ActionKind kind, const ChildState& child) {
  actions_.push_back({.kind = kind, .child = child.id, .generation = child.generation});
}

void Supervisor::report(ReportEvent event, ChildState& child, Report report) {
  child.announced = report.backoff.has_value();
  child.told = child.generation;
  report.event = event;
  report.child = child.spec.name;
  report.restart = child.spec.restart;
  actions_.push_back({.kind = ActionKind::kReport,
                      .child = child.id,
                      .generation = child.generation,
                      .report = std::move(report)});
}

Supervisor::Actions Supervisor::start(TimePoint now) {
  first_start_ = true;
  group_at_ = now;
  for (const auto& [id, child] : children_) group_.push_back(id);
  return take(now);
}

void Supervisor::start_one(ChildState& child, TimePoint now) {
  if (child.generation != 0) ++child.restarts;
  child.phase = Phase::kStarting;
  child.generation = ++generation_;
  child.started_at = now;
  child.ready_at.reset();
  child.restart_at.reset();
  child.deadline.reset();
  child.killed = false;
  child.given_up = false;
  if (child.spec.start_timeout) child.deadline = now + *child.spec.start_timeout;
  act(ActionKind::kStart, child);
}

Supervisor::Actions Supervisor::ready(ChildId id, std::uint64_t generation, TimePoint now) {
  ChildState* child = current(id, generation);
  if (child == nullptr || child->phase != Phase::kStarting) return {};
  child->deadline.reset();
  if (child->spec.validation) {
    child->phase = Phase::kValidating;
    child->deadline = now + *child->spec.validation;
    act(ActionKind::kValidate, *child);
  } else {
    admit(*child, now);
  }
  return take(now);
}

Supervisor::Actions Supervisor::validated(ChildId id,
                                          std::uint64_t generation,
                                          bool right,
                                          TimePoint now) {
  ChildState* child = current(id, generation);
  if (child == nullptr || child->phase != Phase::kValidating) return {};
  if (right) {
    admit(*child, now);
  } else {
    kill_isolated(*child, EndKind::kInvalid);
  }
  return take(now);
}

void Supervisor::admit(ChildState& child, TimePoint now) {
  child.phase = Phase::kReady;
  child.deadline.reset();
  child.ready_at = now;
  child.ever_ready = true;
  child.failed_starts = 0;
  act(ActionKind::kAdmit, child);
  Report progress{.restarts_in_window = failures_in_period(child, now)};
  if (child.died_at) {
    progress.downtime = std::chrono::duration_cast<std::chrono::microseconds>(now - *child.died_at);
  }
  report(ReportEvent::kProgress, child, std::move(progress));
}

Supervisor::Actions Supervisor::ignored(ChildId id, std::uint64_t generation, TimePoint now) {
  ChildState* child = current(id, generation);
  if (child == nullptr || child->phase != Phase::kStarting) return {};
  child->deadline.reset();
  if (child->announced) report(ReportEvent::kShutdown, *child, {});
  forget_or_end(*child);
  return take(now);
}

Supervisor::Actions Supervisor::isolate(ChildId id,
                                        std::uint64_t generation,
                                        EndKind why,
                                        TimePoint now) {
  ChildState* child = current(id, generation);
  if (child == nullptr || child->phase == Phase::kIsolated) return {};
  if (child->phase == Phase::kStopping) {
    child->killed = true;
    take_stop_step(*child, StopStep::kKill, now);
  } else {
    kill_isolated(*child, why);
  }
  return take(now);
}

void Supervisor::kill_isolated(ChildState& child, EndKind why) {
  child.phase = Phase::kIsolated;
  child.isolated_as = why;
  child.deadline.reset();
  act(ActionKind::kKill, child);
}

Supervisor::Actions Supervisor::terminated(ChildId id,
                                           std::uint64_t generation,
                                           Termination end,
                                           TimePoint now) {
  ChildState* child = current(id, generation);
  if (child == nullptr) return {};
  child->died_at = now;
  child->deadline.reset();
  if (child->phase == Phase::kIsolated && is_of_kill(end)) {
    end = {.kind = child->isolated_as, .code = SIGKILL};
  }
  if (child->phase == Phase::kStopping) {
    stopped_as_asked(*child, end, now);
  } else {
    died(*child, end, now);
  }
  return take(now);
}

// It ended by itself, or because it was isolated.
void Supervisor::died(ChildState& child, Termination end, TimePoint now) {
  child.unfit = 0;
  const bool in_a_stop = std::exchange(child.to_stop, child.to_stop && stopping_);
  const bool may_restart = stopping_ ? policy_.restarts_while_stopping : !in_a_stop;
  if (may_restart && wants_restart(child.spec, end)) return restart(child, end, now);
  report(child.ready_at ? ReportEvent::kChildTerminated : ReportEvent::kStartError,
         child,
         {.end = end, .restarts_in_window = failures_in_period(child, now)});
  child.phase = Phase::kEnded;
  // In a stop of its group it does as its siblings do.
  if (!in_a_stop) shut_down_if_significant(child);
  if (child.spec.restart == RestartType::kTemporary || is_simple(policy_)) erase(child);
}

void Supervisor::restart(ChildState& child, Termination end, TimePoint now) {
  if (is_failure(end)) count_failure(child, now);
  const ReportEvent event =
      child.ready_at ? ReportEvent::kChildTerminated : ReportEvent::kStartError;
  Report death{.end = end, .restarts_in_window = failures_in_period(child, now)};
  const bool escalates = must_escalate(child, end, now);
  const bool incurable = cause_of(end) == Cause::kConfiguration;
  if (escalates || incurable || fails_at_every_start(child)) {
    report(event, child, std::move(death));
    give_up(child);
    if (escalates && !stopping_) {
      shut_down(first_start_ && event == ReportEvent::kStartError ? ExitReason::kStartFailed
                                                                  : ExitReason::kEscalated);
    }
    return;
  }
  child.backoff = delay_after(child, end, now);
  death.backoff = child.backoff;
  report(event, child, std::move(death));
  child.phase = Phase::kWaiting;
  child.restart_at = now + child.backoff;
  if (!stopping_) plan_group(child, now);
}

// What still drains does so without it.
void Supervisor::give_up(ChildState& child) {
  child.phase = Phase::kEnded;
  child.given_up = true;
  if (!stopping_) act(ActionKind::kGiveUp, child);
}

bool Supervisor::must_escalate(const ChildState& child,
                               const Termination& end,
                               TimePoint now) const {
  if (cause_of(end) == Cause::kConfiguration) return !has_ready_peer(child);
  if (child.spec.beyond == Beyond::kChildOnly) return false;
  const bool first_failed = first_start_ && policy_.start_order == StartOrder::kInOrder &&
                            !child.ready_at && is_failure(end);
  return first_failed || fails_at_every_start(child) || is_beyond(child, now);
}

// Whether another one does its work.
bool Supervisor::has_ready_peer(const ChildState& child) const {
  return child.spec.beyond == Beyond::kChildOnly &&
         std::ranges::any_of(children_, [&](const auto& entry) {
           const ChildState& other = entry.second;
           return other.id != child.id && other.spec.beyond == Beyond::kChildOnly &&
                  other.phase == Phase::kReady;
         });
}

// However long its starts take: those that last longer than the period would never be too many in
// it.
bool Supervisor::fails_at_every_start(const ChildState& child) const {
  return child.failed_starts > policy_.intensity;
}

void Supervisor::count_failure(ChildState& child, TimePoint now) {
  if (child.ready_at && now - *child.ready_at >= policy_.healthy_after) child.failures = 0;
  ++child.failures;
  if (!child.ready_at) ++child.failed_starts;
  auto& times = child.spec.beyond == Beyond::kChildOnly ? child.recent_failures : recent_failures_;
  times.push_back(now);
  // More than intensity + 1 are not needed to know that it is exceeded.
  if (times.size() > policy_.intensity + 1) times.pop_front();
}

std::uint32_t Supervisor::failures_in_period(const ChildState& child, TimePoint now) const {
  const bool own = child.spec.beyond == Beyond::kChildOnly;
  return count_recent(own ? child.recent_failures : recent_failures_, now, policy_.period);
}

bool Supervisor::is_beyond(const ChildState& child, TimePoint now) const {
  return failures_in_period(child, now) > policy_.intensity;
}

// A death from outside says nothing about the child, so it restarts at once; only one that dies
// before it is ready waits the first back-off, which then does not grow: a loop of such deaths must
// not eat the machine.
Milliseconds Supervisor::delay_after(const ChildState& child,
                                     const Termination& end,
                                     TimePoint now) {
  const Cause cause = cause_of(end);
  if (cause == Cause::kOutside || cause == Cause::kMemory) {
    return child.ready_at ? Milliseconds(0) : policy_.backoff_first;
  }
  return backoff_of(child, now);
}

// Doubles with each failure; half to the whole of it, so that children that fell together do not
// return together.
Milliseconds Supervisor::backoff_of(const ChildState& child, TimePoint now) {
  if (policy_.backoff_first.count() == 0) return policy_.backoff_first;
  if (is_beyond(child, now)) return policy_.backoff_max;
  const std::uint32_t doublings = std::min(child.failures - 1, kDoublingsMax);
  const Milliseconds whole =
      std::min(policy_.backoff_max, policy_.backoff_first * (std::int64_t{1} << doublings));
  const double share = 0.5 + 0.5 * random_();
  const auto part = static_cast<std::int64_t>(static_cast<double>(whole.count()) * share);
  return std::max(policy_.backoff_first, Milliseconds(part));
}

void Supervisor::shut_down_if_significant(const ChildState& child) {
  if (!child.spec.significant || stopping_) return;
  const auto lives_on = [&](const auto& entry) {
    const ChildState& other = entry.second;
    return other.spec.significant && (other.runs() || other.phase == Phase::kWaiting);
  };
  const bool any = policy_.auto_shutdown == AutoShutdown::kAnySignificant;
  if (any || std::ranges::none_of(children_, lives_on)) shut_down(ExitReason::kAutoShutdown);
}

Termination Supervisor::exit() const {
  switch (exit_reason_) {
    case ExitReason::kAsked:
    case ExitReason::kAutoShutdown:
      return {EndKind::kShutDown, 0};
    case ExitReason::kEscalated:
    case ExitReason::kStartFailed:
      break;
  }
  return {EndKind::kEscalated, 0};
}

}  // namespace troupe::actors::supervision

#include "actors/supervision/supervisor.hpp"

#include <algorithm>
#include <utility>

namespace troupe::actors::supervision {
namespace {

// Later doublings have long reached any ceiling; the bound keeps the shift defined.
constexpr std::uint32_t kDoublingsMax = 20;

}  // namespace

Supervisor::Supervisor(std::vector<ChildSpec> children,
                       SupervisorPolicy policy,
                       std::uint64_t generation_base,
                       Random random)
    : policy_(policy), generation_(generation_base), random_(std::move(random)) {
  for (ChildSpec& spec : children) children_.push_back({.spec = std::move(spec)});
  remaining_ = children_.size();
}

Supervisor::Actions Supervisor::start(TimePoint now) {
  Actions actions;
  for (std::size_t child = 0; child < children_.size(); ++child) {
    actions.push_back(start_child(child, now));
  }
  return actions;
}

Action Supervisor::start_child(std::size_t index, TimePoint now) {
  ChildState& child = children_[index];
  if (child.generation != 0) ++child.restarts;
  child.phase = Phase::kStarting;
  child.generation = ++generation_;
  child.started_at = now;
  child.ready_at.reset();
  child.restart_at.reset();
  return {ActionKind::kStart, index, child.generation};
}

void Supervisor::ready(std::size_t index, std::uint64_t generation, TimePoint now) {
  ChildState& child = children_.at(index);
  if (child.generation != generation || child.phase != Phase::kStarting) return;
  child.phase = Phase::kReady;
  child.ready_at = now;
  child.ever_ready = true;
}

Supervisor::Actions Supervisor::terminated(std::size_t index,
                                           std::uint64_t generation,
                                           Termination end,
                                           TimePoint now) {
  ChildState& child = children_.at(index);
  if (child.generation != generation || !runs(child)) return {};
  child.died_at = now;
  if (child.phase == Phase::kStopping) {
    child.phase = Phase::kEnded;
    child.kill_at.reset();
    return continue_stop(now);
  }
  const Milliseconds delay = delay_after(child, end, now);
  if (must_give_up(child, end, now)) return give_up(index, now);
  child.phase = Phase::kEnded;
  if (!wants_restart(child, end)) return {};
  child.backoff = delay;
  if (delay.count() == 0) return {start_child(index, now)};
  child.phase = Phase::kWaiting;
  child.restart_at = now + delay;
  return {};
}

// A death from outside says nothing about the child, so it restarts at once; only one that dies
// before it is ready waits the first back-off, which then does not grow: a loop of such deaths must
// not eat the machine.
Milliseconds Supervisor::delay_after(ChildState& child, const Termination& end, TimePoint now) {
  if (cause_of(end) == Cause::kOutside) {
    return child.ready_at ? Milliseconds(0) : policy_.backoff_first;
  }
  count_failure(child, now);
  return backoff_of(child, now);
}

void Supervisor::count_failure(ChildState& child, TimePoint now) {
  if (child.ready_at && now - *child.ready_at >= policy_.healthy_after) child.failures = 0;
  ++child.failures;
  child.recent_failures.push_back(now);
  // More than intensity + 1 are not needed to know that it is exceeded.
  if (child.recent_failures.size() > policy_.intensity + 1) child.recent_failures.pop_front();
}

std::uint32_t Supervisor::failures_in_period(std::size_t index, TimePoint now) const {
  const auto& times = children_.at(index).recent_failures;
  const auto recent = [&](TimePoint time) { return now - time <= policy_.period; };
  return static_cast<std::uint32_t>(std::ranges::count_if(times, recent));
}

bool Supervisor::exceeds_intensity(const ChildState& child, TimePoint now) const {
  const auto index = static_cast<std::size_t>(&child - children_.data());
  return failures_in_period(index, now) > policy_.intensity;
}

// Doubles with each failure; half to the whole of it, so that children that fell together do not
// return together.
Milliseconds Supervisor::backoff_of(const ChildState& child, TimePoint now) {
  if (exceeds_intensity(child, now)) return policy_.backoff_max;
  const std::uint32_t doublings = std::min(child.failures - 1, kDoublingsMax);
  const Milliseconds whole =
      std::min(policy_.backoff_max, policy_.backoff_first * (std::int64_t{1} << doublings));
  const double share = 0.5 + 0.5 * random_();
  const auto part = static_cast<std::int64_t>(static_cast<double>(whole.count()) * share);
  return std::max(policy_.backoff_first, Milliseconds(part));
}

bool Supervisor::must_give_up(const ChildState& child,
                              const Termination& end,
                              TimePoint now) const {
  if (cause_of(end) == Cause::kConfiguration) return true;
  return !child.ever_ready && exceeds_intensity(child, now);
}

bool Supervisor::wants_restart(const ChildState& child, const Termination& end) {
  switch (child.spec.restart) {
    case RestartType::kPermanent:
      return true;
    case RestartType::kTransient:
      return end != Termination{EndKind::kExited, 0};
    case RestartType::kTemporary:
      break;
  }
  return false;
}

Supervisor::Actions Supervisor::give_up(std::size_t index, TimePoint now) {
  children_[index].phase = Phase::kEnded;
  if (stopping_) return {};  // what still drains does so without it
  Actions actions{{ActionKind::kGiveUp, index, children_[index].generation}};
  const Actions stops = stop(now);
  actions.insert(actions.end(), stops.begin(), stops.end());
  return actions;
}

Supervisor::Actions Supervisor::tick(TimePoint now) {
  Actions actions;
  for (std::size_t index = 0; index < children_.size(); ++index) {
    ChildState& child = children_[index];
    if (child.restart_at && *child.restart_at <= now) actions.push_back(start_child(index, now));
    if (child.kill_at && *child.kill_at <= now) {
      child.kill_at.reset();
      child.killed = true;
      actions.push_back({ActionKind::kKill, index, child.generation});
    }
  }
  return actions;
}

std::optional<TimePoint> Supervisor::next_wakeup() const {
  std::optional<TimePoint> next;
  for (const ChildState& child : children_) {
    for (const auto& time : {child.restart_at, child.kill_at}) {
      if (time && (!next || *time < *next)) next = time;
    }
  }
  return next;
}

Supervisor::Actions Supervisor::stop(TimePoint now) {
  if (stopping_) return {};
  stopping_ = true;
  return continue_stop(now);
}

Supervisor::Actions Supervisor::continue_stop(TimePoint now) {
  const auto stops = [](const ChildState& child) { return child.phase == Phase::kStopping; };
  if (std::ranges::any_of(children_, stops)) return {};
  while (remaining_ > 0) {
    ChildState& child = children_[--remaining_];
    child.restart_at.reset();
    if (!runs(child)) {
      child.phase = Phase::kEnded;
      continue;
    }
    child.phase = Phase::kStopping;
    child.kill_at = now + child.spec.shutdown_timeout;
    return {{ActionKind::kStop, remaining_, child.generation}};
  }
  if (std::exchange(stopped_, true)) return {};
  return {{ActionKind::kStopped}};
}

Supervisor::Actions Supervisor::stop_now(TimePoint now) {
  Actions actions;
  stopping_ = true;
  remaining_ = 0;
  for (std::size_t index = 0; index < children_.size(); ++index) {
    ChildState& child = children_[index];
    child.restart_at.reset();
    child.kill_at.reset();
    child.killed = child.killed || runs(child);
    child.phase = runs(child) ? Phase::kStopping : Phase::kEnded;
    if (runs(child)) actions.push_back({ActionKind::kKill, index, child.generation});
  }
  const Actions end = continue_stop(now);
  actions.insert(actions.end(), end.begin(), end.end());
  return actions;
}

bool Supervisor::runs(const ChildState& child) {
  return child.phase == Phase::kStarting || child.phase == Phase::kReady ||
         child.phase == Phase::kStopping;
}

}  // namespace troupe::actors::supervision

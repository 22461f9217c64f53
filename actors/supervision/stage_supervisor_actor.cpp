#include "actors/supervision/stage_supervisor_actor.hpp"

#include <algorithm>
#include <utility>

namespace troupe::actors::supervision {
namespace {

TimePoint now() { return std::chrono::steady_clock::now(); }

TimePoint time_of(std::int64_t steady_ns) { return TimePoint(std::chrono::nanoseconds(steady_ns)); }

std::vector<ChildSpec> specs_of(const std::vector<SupervisedStage>& stages) {
  std::vector<ChildSpec> specs;
  for (const SupervisedStage& stage : stages) specs.push_back({.name = stage.name});
  return specs;
}

// A stage that has not started by then may hang in it, or have died of it: its end should be known.
constexpr std::chrono::milliseconds kAnswerMax{10};

// The core and the stages that it decides about.
class Shell {
 public:
  Shell(caf::event_based_actor* self,
        StageSupervisorOptions options,
        std::vector<SupervisedStage> stages)
      : self_(self),
        options_(std::move(options)),
        core_(specs_of(stages), options_.policy, options_.generation_base, [] { return 0.0; }),
        stages_(std::move(stages)) {
    for (const SupervisedStage& stage : stages_) self_->monitor(stage.actor);
    log({.text = "starts"});
    perform(core_.start(now()));
  }

  void started(const caf::strong_actor_ptr& sender, std::uint64_t generation, TimePoint at) {
    if (const ChildState* child = child_of(sender)) {
      perform(core_.ready(child->id, generation, at));
    }
  }

  void threw(const caf::strong_actor_ptr& sender,
             std::uint64_t generation,
             TimePoint at,
             std::string why) {
    const ChildState* child = child_of(sender);
    if (child == nullptr) return;
    why_ = std::move(why);
    perform(core_.terminated(child->id, generation, {EndKind::kThrew, 0}, at));
  }

  void died(const caf::down_msg& down) {
    const ChildState* child = child_of(caf::actor_cast<caf::strong_actor_ptr>(down.source));
    if (child == nullptr || down.reason == caf::exit_reason::user_shutdown) return;
    why_ = "its actor ended: " + to_string(down.reason);
    const std::string name = child->spec.name;
    perform(core_.terminated(child->id, child->generation, {EndKind::kUnknown, 0}, now()));
    escalate(name);
  }

  void tell() {
    for (const auto& [record, line] : untold_) options_.on_event(record, line);
    untold_.clear();
  }

 private:
  const ChildState* child_of(const caf::strong_actor_ptr& actor) const {
    const auto stage = std::ranges::find_if(
        stages_, [&](const SupervisedStage& one) { return one.actor == actor; });
    return stage == stages_.end() ? nullptr : core_.find(stage->name);
  }

  // Siblings of a stage that is given up are not stopped: the process ends with all of them.
  void perform(const Supervisor::Actions& actions) {
    const auto is = [](ActionKind kind) {
      return [kind](const Action& action) { return action.kind == kind; };
    };
    for (const Action& action : actions) {
      if (is(ActionKind::kReport)(action)) report(action);
      if (is(ActionKind::kStart)(action)) start(action);
    }
    // A stage is away until it has started, and to tell root wakes another process, for which the
    // kernel may take this thread's core. So that waits for the stage's answer, a little.
    if (std::ranges::none_of(actions, is(ActionKind::kStart))) {
      tell();
    } else {
      self_->delayed_send(self_, kAnswerMax, caf::flush_atom_v);
    }
    for (const Action& action : actions) {
      if (is(ActionKind::kGiveUp)(action)) escalate(core_.find(action.child)->spec.name);
    }
  }

  void start(const Action& action) {
    const auto& stage = stages_.at(static_cast<std::size_t>(action.child - 1));  // ids count from 1
    if (stage.cell) return self_->send(stage.actor, caf::reset_atom_v, action.generation);
    perform(core_.ready(action.child, action.generation, now()));
  }

  void report(const Action& action) {
    const ChildState& child = *core_.find(action.child);
    const std::string reason = action.report->end ? why_ : std::string{};
    log({.report = *action.report,
         .generation = action.generation,
         .id = static_cast<std::int64_t>(stages_.at(action.child - 1).actor.id()),
         .text = action.report->downtime ? "restarted" : reason});
    options_.table->set(
        child.spec.name, state_of(*action.report), child.generation, child.restarts, reason);
  }

  static const char* state_of(const Report& report) {
    if (report.event == ReportEvent::kProgress) return "ready";
    return report.backoff ? "starting" : "ended";
  }

  void log(RestartRecord record) {
    record.node = options_.node;
    record.supervisor = options_.name;
    record.kind = "actor";
    untold_.emplace_back(record, record.to_line(options_.policy, now()));
  }

  void escalate(const std::string& stage) {
    tell();
    if (std::exchange(escalated_, true)) return;
    options_.escalate("stage " + stage + " died: " + why_);
  }

  caf::event_based_actor* self_;
  StageSupervisorOptions options_;
  Supervisor core_;
  std::vector<SupervisedStage> stages_;
  std::string why_;                                            // the latest end came
  std::vector<std::pair<RestartRecord, std::string>> untold_;  // with their lines of restart.log
  bool escalated_ = false;
};

caf::behavior stage_supervisor(caf::event_based_actor* self,
                               StageSupervisorOptions options,
                               std::vector<SupervisedStage> stages) {
  const auto shell = std::make_shared<Shell>(self, std::move(options), std::move(stages));
  self->set_down_handler([shell](const caf::down_msg& down) { shell->died(down); });
  return {
      [self, shell](caf::ok_atom, std::uint64_t generation, std::int64_t at_ns) {
        shell->started(self->current_sender(), generation, time_of(at_ns));
      },
      [shell](caf::flush_atom) { shell->tell(); },
      [self, shell](
          caf::close_atom, std::uint64_t generation, std::int64_t at_ns, const std::string& why) {
        shell->threw(self->current_sender(), generation, time_of(at_ns), why);
      },
  };
}

}  // namespace

caf::actor spawn_stage_supervisor(caf::actor_system& system,
                                  StageSupervisorOptions options,
                                  std::vector<SupervisedStage> stages) {
  return system.spawn(stage_supervisor, std::move(options), std::move(stages));
}

}  // namespace troupe::actors::supervision

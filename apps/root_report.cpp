// What root tells of its children: restart.log, the terminal, the front, and `troupe status`.
#include <csignal>
#include <utility>

#include "apps/console.hpp"
#include "apps/root_node.hpp"

namespace troupe::apps {
namespace {

namespace supervision = actors::supervision;
using supervision::ReportEvent;
using supervision::Termination;

bool ended_as_asked(const Termination& end) {
  return end == Termination{supervision::EndKind::kExited, 0} ||
         end == Termination{supervision::EndKind::kSignalled, SIGTERM};
}

// Requests can have caused it. A worker that computes wrongly does so for all of them.
bool is_by_work(const Termination& end) {
  return cause_of(end) == supervision::Cause::kWork && end.kind != supervision::EndKind::kInvalid;
}

// It said why, and the line of whoever goes on without it, or stops, follows.
bool is_incurable(const Termination& end) {
  return cause_of(end) == supervision::Cause::kConfiguration;
}

bool was_asked(ReportEvent event) {
  return event == ReportEvent::kShutdown || event == ReportEvent::kShutdownError;
}

double seconds_between(supervision::TimePoint from, supervision::TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void RootNode::handle_report(const Action& action) {
  const supervision::Report& report = *action.report;
  Child& child = children_.at(action.child);
  std::string text;
  if (report.end) {
    const std::string short_reason =
        child.recycled_for.empty() ? describe(*report.end) : child.recycled_for;
    tell_front(action.child,
               {.child = report.child,
                .generation = action.generation,
                .reason = short_reason,
                .by_work = is_by_work(*report.end)});
    child.last_end = child.last_reason = short_reason;
    child.incurable = is_incurable(*report.end);
    const bool startless = report.event == ReportEvent::kStartError || child.incurable;
    if (startless) child.last_reason += child.last_words;
    text = child.last_reason;
  } else if (report.downtime) {
    text = "restarted";
  } else if (was_asked(report.event)) {
    text = "its restart was called off";
  }
  supervision::RestartRecord record{.kind = "process",
                                    .report = report,
                                    .generation = action.generation,
                                    .id = child.last_pid,
                                    .text = text};
  // When one dies only the front knows what it worked on, and says so within milliseconds.
  if (report.downtime && child.moved) {
    record.requests = {child.moved->requeued, child.moved->failed};
    child.moved.reset();
  }
  log(std::move(record));
  if (report.downtime) {
    say(report.child + " is back after " + std::to_string(report.downtime->count() / 1000) + " ms");
  }
  if (!report.end) return;
  if (!was_asked(report.event)) return say_end(action, text);
  if (supervisor_.stopping() && !ended_as_asked(*report.end)) exit_code_ = 1;
}

void RootNode::log(supervision::RestartRecord record) {
  record.node = config_.node.state.string();
  record.supervisor = "root";
  record.kind = "process";
  restart_log_.append(record.to_line(supervisor_.policy(), now()));
}

void RootNode::say_end(const Action& action, const std::string& reason) const {
  const supervision::Report& report = *action.report;
  if (is_incurable(*report.end)) return;
  std::string what = report.child + " " + reason;
  if (report.backoff && report.backoff->count() == 0) what += "; restarting at once";
  if (report.backoff && report.backoff->count() > 0) {
    what += "; restarting in " + std::to_string(report.backoff->count()) + " ms";
  }
  say(what);
}

supervision::NodeStatus RootNode::status() const {
  supervision::NodeStatus status{.node = config_.node.state.string(),
                                 .version = TROUPE_VERSION,
                                 .uptime_s = seconds_between(begun_, now()),
                                 .ready = front_status_.ready && !supervisor_.stopping(),
                                 .draining = supervisor_.stopping(),
                                 .front = front_status_};
  if (status.front.http.empty()) status.front.http = config_.gateway.http;
  if (status.front.zmq.empty()) status.front.zmq = config_.gateway.zmq;
  if (status.front.model.empty()) status.front.model = config_.model.alias;
  for (const auto& [id, child] : supervisor_.children()) {
    status.processes.push_back(process_status(child));
  }
  return status;
}

// What restart.log goes on with in a new file, so that replaying that file alone tells who runs.
std::string RootNode::standing_lines() const {
  supervision::RestartRecord record{.node = config_.node.state.string(),
                                    .supervisor = "root",
                                    .kind = "process",
                                    .text = "continued from another file"};
  std::string lines = record.to_line(supervisor_.policy(), now());
  for (const supervision::Action& action : supervisor_.standing()) {
    record.report = *action.report;
    record.generation = action.generation;
    lines += "\n" + record.to_line(supervisor_.policy(), now());
  }
  for (const auto& [id, child] : children_) {
    for (const auto& [stage, line] : child.stage_lines) lines += "\n" + line;
  }
  return lines;
}

// A front says itself how its stages are. A worker's are as their process is, which ends with each.
std::vector<messages::StageStatus> RootNode::stages_of(ChildId id, const char* state) const {
  if (is_front(id) && !front_status_.stages.empty()) return front_status_.stages;
  std::vector<std::string> names{"link", "infer", "batch"};
  if (is_front(id)) names = {"link", "aggregate", "preprocess", "dispatch", "gateway"};
  std::vector<messages::StageStatus> stages;
  for (std::string& name : names) stages.push_back({.name = std::move(name), .state = state});
  return stages;
}

supervision::ProcessStatus RootNode::process_status(const ChildState& child) const {
  const Child& own = children_.at(child.id);
  const bool runs = own.process.has_value();
  return {.name = child.spec.name,
          .pid = runs ? own.process->pid() : 0,
          .state = child.given_up ? "given up" : name_of(child.phase),
          .generation = child.generation,
          .uptime_s = runs && child.started_at ? seconds_between(*child.started_at, now()) : 0.0,
          .restarts = child.restarts,
          .waiting = runs ? own.process->beats().waiting.load() : 0,
          .in_flight = runs ? own.process->beats().in_flight.load() : 0,
          .stages = stages_of(child.id, name_of(child.phase)),
          .last_reason = own.last_reason};
}

}  // namespace troupe::apps

#include "actors/supervision/restart_log.hpp"

#include <optional>

#include "actors/observe/json_line.hpp"

namespace troupe::actors::supervision {
namespace {

using observe::JsonLine;

const char* name_of(RestartType type) {
  switch (type) {
    case RestartType::kPermanent:
      return "permanent";
    case RestartType::kTransient:
      return "transient";
    case RestartType::kTemporary:
      break;
  }
  return "temporary";
}

const char* name_of(Strategy strategy) {
  switch (strategy) {
    case Strategy::kOneForOne:
      return "one_for_one";
    case Strategy::kOneForAll:
      return "one_for_all";
    case Strategy::kRestForOne:
      return "rest_for_one";
    case Strategy::kSimpleOneForOne:
      break;
  }
  return "simple_one_for_one";
}

void add_milliseconds(JsonLine& line, const char* name, std::optional<Milliseconds> value) {
  if (!value) {
    line.null(name);
  } else {
    line.number(name, static_cast<std::uint64_t>(value->count()));
  }
}

void add_child(JsonLine& line, const RestartRecord& record) {
  if (record.report.child.empty()) {
    line.null("child").text("kind", record.kind).null("id").null("generation");
    line.null("restart_type");
    return;
  }
  line.text("child", record.report.child).text("kind", record.kind);
  if (record.id == 0) {
    line.null("id");
  } else {
    line.number("id", static_cast<std::uint64_t>(record.id));
  }
  line.number("generation", record.generation);
  line.text("restart_type", name_of(record.report.restart));
}

void add_end(JsonLine& line, const RestartRecord& record) {
  if (!record.report.end) {
    line.null("reason_category").null("reason_code").text("reason_text", record.text);
    line.null("signal").null("exit_code");
    return;
  }
  const Termination& end = *record.report.end;
  const auto code = static_cast<std::uint64_t>(end.code);
  line.text("reason_category", name_of(cause_of(end))).text("reason_code", code_of(end));
  line.text("reason_text", record.text);
  const bool killed = end.kind == EndKind::kSignalled || end.kind == EndKind::kOutOfMemory ||
                      end.kind == EndKind::kHung || end.kind == EndKind::kStopped ||
                      end.kind == EndKind::kInvalid;
  if (killed) {
    line.number("signal", code).null("exit_code");
  } else {
    line.null("signal");
    end.kind == EndKind::kExited ? line.number("exit_code", code) : line.null("exit_code");
  }
}

}  // namespace

const char* name_of(ReportEvent event) {
  switch (event) {
    case ReportEvent::kProgress:
      return "progress";
    case ReportEvent::kStartError:
      return "start_error";
    case ReportEvent::kChildTerminated:
      return "child_terminated";
    case ReportEvent::kShutdownError:
      return "shutdown_error";
    case ReportEvent::kShutdown:
      break;
  }
  return "shutdown";
}

std::string RestartRecord::to_line(const SupervisorPolicy& policy, TimePoint now) const {
  JsonLine line;
  line.text("ts_wall", observe::wall_clock_text())
      .seconds("ts_mono", std::chrono::duration<double>(now.time_since_epoch()).count())
      .text("node", node)
      .text("supervisor", supervisor)
      .text("event", supervision::name_of(report.event));
  add_child(line, *this);
  line.text("strategy", name_of(policy.strategy));
  add_end(line, *this);
  line.number("restarts_in_window", report.restarts_in_window);
  line.number("intensity", policy.intensity);
  add_milliseconds(line, "period_ms", policy.period);
  add_milliseconds(line, "backoff_ms", report.backoff);
  if (report.downtime) {
    line.seconds("downtime_ms", static_cast<double>(report.downtime->count()) * 1e-3);
  } else {
    line.null("downtime_ms");
  }
  if (requests) {
    line.number("requests_requeued", requests->requeued)
        .number("requests_failed", requests->failed);
  } else {
    line.null("requests_requeued").null("requests_failed");
  }
  return line.str();
}

}  // namespace troupe::actors::supervision

#include "actors/supervision/restart_log.hpp"

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

const char* name_of(Strategy) { return "one_for_one"; }

void add_milliseconds(JsonLine& line, const char* name, std::optional<Milliseconds> value) {
  if (!value) {
    line.null(name);
  } else {
    line.number(name, static_cast<std::uint64_t>(value->count()));
  }
}

void add_child(JsonLine& line, const RestartRecord& record) {
  if (record.child == nullptr) {
    line.null("child").text("kind", record.kind).null("id").null("generation");
    line.null("restart_type");
    return;
  }
  line.text("child", record.child->spec.name).text("kind", record.kind);
  if (record.id == 0) {
    line.null("id");
  } else {
    line.number("id", static_cast<std::uint64_t>(record.id));
  }
  line.number("generation", record.generation);
  line.text("restart_type", name_of(record.child->spec.restart));
}

void add_end(JsonLine& line, const RestartRecord& record) {
  if (!record.end) {
    line.null("reason_category").null("reason_code").text("reason_text", record.text);
    line.null("signal").null("exit_code");
    return;
  }
  const Termination& end = *record.end;
  const auto code = static_cast<std::uint64_t>(end.code);
  line.text("reason_category", name_of(cause_of(end))).text("reason_code", code_of(end));
  line.text("reason_text", record.text);
  if (end.kind == EndKind::kSignalled) {
    line.number("signal", code).null("exit_code");
  } else {
    line.null("signal");
    end.kind == EndKind::kExited ? line.number("exit_code", code) : line.null("exit_code");
  }
}

}  // namespace

std::string RestartRecord::to_line(const SupervisorPolicy& policy, TimePoint now) const {
  JsonLine line;
  line.text("ts_wall", observe::wall_clock_text())
      .seconds("ts_mono", std::chrono::duration<double>(now.time_since_epoch()).count())
      .text("node", node)
      .text("supervisor", supervisor)
      .text("event", event);
  add_child(line, *this);
  line.text("strategy", name_of(policy.strategy));
  add_end(line, *this);
  line.number("restarts_in_window", restarts_in_window).number("intensity", policy.intensity);
  add_milliseconds(line, "period_ms", policy.period);
  add_milliseconds(line, "backoff_ms", backoff);
  add_milliseconds(line, "downtime_ms", downtime);
  // Only dispatch knows what became of the requests; its own lines say so.
  line.null("requests_requeued").null("requests_failed");
  return line.str();
}

}  // namespace troupe::actors::supervision

#include "actors/supervision/restart_replay.hpp"

#include <nlohmann/json.hpp>

namespace troupe::actors::supervision {

void RestartReplay::add(std::string_view line) {
  const auto record = nlohmann::json::parse(line, nullptr, false);
  if (!record.is_object() || record.value("supervisor", "") != supervisor_) return;
  const auto name = record.find("child");
  if (name == record.end()) return;
  // A line of the supervisor itself: it began anew, or ended. What stood before is gone with it.
  if (name->is_null()) children_.clear();
  if (!name->is_string()) return;
  ChildView& child = children_[*name];
  child.name = *name;
  child.generation = record.value("generation", std::uint64_t{0});
  const bool serves = record.value("event", "") == "progress";
  const bool comes = record.contains("backoff_ms") && !record["backoff_ms"].is_null();
  child.status = serves  ? ChildStatus::kRunning
                 : comes ? ChildStatus::kRestarting
                         : ChildStatus::kUndefined;
}

}  // namespace troupe::actors::supervision

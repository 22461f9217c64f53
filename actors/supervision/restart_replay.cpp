#include "actors/supervision/restart_replay.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace troupe::actors::supervision {

void RestartReplay::add(std::string_view line) {
  const auto record = nlohmann::json::parse(line, nullptr, false);
  if (!record.is_object() || !record.contains("supervisor")) return;
  Children& children = supervisors_[record.value("supervisor", "")];
  const auto name = record.find("child");
  if (name == record.end()) return;
  // A line of the supervisor itself: it began anew, or ended. What stood before is gone with it.
  if (name->is_null()) forget(children);
  if (!name->is_string()) return;
  ChildView& child = children[*name];
  child.name = *name;
  child.generation = record.value("generation", std::uint64_t{0});
  const bool serves = record.value("event", "") == "progress";
  const bool comes = record.contains("backoff_ms") && !record["backoff_ms"].is_null();
  child.status = serves  ? ChildStatus::kRunning
                 : comes ? ChildStatus::kRestarting
                         : ChildStatus::kUndefined;
  if (!serves) supervisors_.erase(*name);
}

void RestartReplay::forget(Children& children) {
  const Children gone = std::exchange(children, {});
  for (const auto& [name, view] : gone) supervisors_.erase(name);
}

const RestartReplay::Children& RestartReplay::children(const std::string& supervisor) const {
  static const Children kNone;
  const auto found = supervisors_.find(supervisor);
  return found == supervisors_.end() ? kNone : found->second;
}

}  // namespace troupe::actors::supervision

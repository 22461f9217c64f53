#include "actors/supervision/stage_table.hpp"

#include <algorithm>

namespace troupe::actors::supervision {

StageTable::Counter& StageTable::add(const std::string& name, std::uint64_t actor) {
  const std::lock_guard lock(mutex_);
  Row& row = rows_.emplace_back();
  row.status.name = name;
  row.status.id = actor;
  row.status.state = "starting";
  return row.mailbox;
}

void StageTable::set(std::string_view name,
                     const char* state,
                     std::uint64_t generation,
                     std::uint32_t restarts,
                     const std::string& reason) {
  const std::lock_guard lock(mutex_);
  const auto row = std::ranges::find(
      rows_, name, [](const Row& one) -> std::string_view { return one.status.name; });
  if (row == rows_.end()) return;
  row->status.state = state;
  row->status.generation = generation;
  row->status.restarts = restarts;
  if (!reason.empty()) row->status.last_reason = reason;
}

std::vector<messages::StageStatus> StageTable::rows() const {
  const std::lock_guard lock(mutex_);
  std::vector<messages::StageStatus> all;
  for (const Row& row : rows_) {
    all.push_back(row.status);
    all.back().waiting = row.mailbox.load(std::memory_order_relaxed);
  }
  return all;
}

}  // namespace troupe::actors::supervision

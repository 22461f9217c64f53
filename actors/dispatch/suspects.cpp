#include "actors/dispatch/suspects.hpp"

#include <algorithm>

namespace troupe::actors::dispatch {

std::vector<std::uint64_t> Suspects::on_death(std::span<const InStep> known,
                                              std::size_t size,
                                              std::uint64_t death) {
  std::vector<std::uint64_t> guilty;
  bool innocent = size > 1 && !known.empty();  // all of them, so far
  for (const InStep& one : known) {
    if (size > 1 && just_passed(one)) continue;
    innocent = false;
    Suspicion& record = records_[one.request_id];
    if (record.death == death) continue;
    record.suspect = true;
    record.death = death;
    if (size == 1 && ++record.lone_crashes == kLoneCrashesMax) guilty.push_back(one.request_id);
  }
  if (innocent) batch_limit_ = std::max<std::size_t>(1, size / 2);
  return guilty;
}

bool Suspects::just_passed(const InStep& one) const {
  const auto found = records_.find(one.request_id);
  if (found == records_.end() || !found->second.passed_at) return false;
  return one.produced <= *found->second.passed_at + kSamePlaceTokens;
}

void Suspects::acquit(std::uint64_t request_id, std::size_t produced) {
  Suspicion& record = records_[request_id];
  record = {.suspect = false, .lone_crashes = 0, .passed_at = produced, .death = record.death};
}

Suspicion Suspects::suspicion(std::uint64_t request_id) const {
  const auto found = records_.find(request_id);
  return found == records_.end() ? Suspicion{} : found->second;
}

bool Suspects::any() const {
  return std::ranges::any_of(records_, [](const auto& entry) { return entry.second.suspect; });
}

}  // namespace troupe::actors::dispatch

#include "actors/link/link_faults.hpp"

#include <sstream>

namespace troupe::actors::link {

bool LinkFaults::order(const std::string& text, Time now) {
  std::istringstream words(text);
  std::string deed;
  std::string socket;
  std::string way;
  std::uint64_t amount = 0;
  if (!(words >> deed >> socket >> way >> amount)) return false;
  const bool drops = deed == "drop";
  if ((!drops && deed != "delay") || (way != "in" && way != "out")) return false;
  const std::scoped_lock lock(mutex_);
  Fault& fault = faults_[{socket, way == "in" ? Way::kIn : Way::kOut}];
  if (drops) fault.losses += amount;
  if (!drops) fault.until = now + std::chrono::milliseconds(amount);
  return true;
}

bool LinkFaults::takes(const SocketSpec& spec,
                       SocketId socket,
                       Way way,
                       std::string_view peer,
                       std::string_view frame,
                       Time now) {
  const std::scoped_lock lock(mutex_);
  const auto found = faults_.find({spec.name, way});
  if (found == faults_.end()) return false;
  Fault& fault = found->second;
  if (fault.losses > 0) {
    --fault.losses;
    return true;
  }
  if (now >= fault.until && fault.held == 0) return false;
  ++fault.held;
  held_.emplace_back(found->first, HeldFrame{socket, way, std::string(peer), std::string(frame)});
  return true;
}

std::vector<HeldFrame> LinkFaults::take_due(Time now) {
  const std::scoped_lock lock(mutex_);
  std::vector<HeldFrame> due;
  for (auto entry = held_.begin(); entry != held_.end();) {
    Fault& fault = faults_[entry->first];
    const bool waits = now < fault.until;
    if (!waits) --fault.held;
    if (!waits) due.push_back(std::move(entry->second));
    entry = waits ? std::next(entry) : held_.erase(entry);
  }
  return due;
}

bool LinkFaults::holds() const {
  const std::scoped_lock lock(mutex_);
  return !held_.empty();
}

}  // namespace troupe::actors::link

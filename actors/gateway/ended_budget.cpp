#include "actors/gateway/ended_budget.hpp"

namespace troupe::actors::gateway {

std::vector<std::uint64_t> EndedBudget::add(std::uint64_t id, std::size_t bytes) {
  remove(id);
  bytes_ += bytes;
  kept_[id] = {++turn_, bytes};
  order_[turn_] = id;
  std::vector<std::uint64_t> leaving;
  while (bytes_ > bytes_max_) {
    leaving.push_back(order_.begin()->second);
    remove(leaving.back());
  }
  return leaving;
}

void EndedBudget::remove(std::uint64_t id) {
  const auto found = kept_.find(id);
  if (found == kept_.end()) return;
  const auto [turn, bytes] = found->second;
  bytes_ -= bytes;
  order_.erase(turn);
  kept_.erase(found);
}

}  // namespace troupe::actors::gateway

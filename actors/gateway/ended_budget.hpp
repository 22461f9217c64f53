// How many bytes of what has ended may be kept together, and who goes first. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace troupe::actors::gateway {

class EndedBudget {
 public:
  explicit EndedBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // `id` has ended and holds `bytes`, also if it had before. Returns who has to go for that, oldest
  // first; with more than all of the budget that is `id` itself. They are no longer counted.
  std::vector<std::uint64_t> add(std::uint64_t id, std::size_t bytes);

  // Nothing when it is not counted.
  void remove(std::uint64_t id);

  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::uint64_t turn_ = 0;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::size_t>> kept_;  // id → (turn, bytes)
  std::map<std::uint64_t, std::uint64_t> order_;                         // turn → id
};

}  // namespace troupe::actors::gateway

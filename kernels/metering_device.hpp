// A device that forwards to another one and always adds up what ops of each name took: one read of
// the clock for each, and its cost by its shapes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/each_op_device.hpp"
#include "kernels/op_cost.hpp"

namespace troupe::kernels {

struct OpTotal {
  std::string_view name;           // int8_linear, attention, …
  std::uint64_t ns = 0;            // what is done between two ops counts to the later one
  std::uint64_t memory_bytes = 0;  // as in OpCost
  std::uint64_t operations = 0;
};

// For devices whose `run` returns when the op is done, as the CPU's.
class MeteringDevice final : public EachOpDevice<MeteringDevice> {
 public:
  using EachOpDevice::EachOpDevice;

  // Begins anew: the next op's time begins here.
  void restart();

  // In the order in which each name came first; until the next restart.
  std::span<const OpTotal> totals() const { return totals_; }

 private:
  friend EachOpDevice;
  template <typename Op>
  void around(const Op& op);
  OpTotal& total_of(std::string_view name);

  std::chrono::steady_clock::time_point last_;  // when the op before ended
  std::vector<OpTotal> totals_;
};

extern template class EachOpDevice<MeteringDevice>;

}  // namespace troupe::kernels

#include "kernels/metering_device.hpp"

#include <algorithm>
#include <utility>

namespace troupe::kernels {

void MeteringDevice::restart() {
  totals_.clear();
  last_ = std::chrono::steady_clock::now();
}

OpTotal& MeteringDevice::total_of(std::string_view name) {
  const auto found = std::ranges::find(totals_, name, &OpTotal::name);
  return found != totals_.end() ? *found : totals_.emplace_back(OpTotal{.name = name});
}

template <typename Op>
void MeteringDevice::around(const Op& op) {
  device().run(op);
  const OpCost cost = cost_of(op);
  OpTotal& total = total_of(cost.name);
  total.memory_bytes += cost.memory_bytes;
  total.operations += cost.operations;
  const auto now = std::chrono::steady_clock::now();
  const auto time = std::chrono::nanoseconds(now - std::exchange(last_, now));
  total.ns += static_cast<std::uint64_t>(time.count());
}

template class EachOpDevice<MeteringDevice>;

}  // namespace troupe::kernels

// A device that forwards to another one and, while it is asked to, adds up what each kind of op
// took.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "kernels/each_op_device.hpp"
#include "kernels/op_cost.hpp"

namespace troupe::kernels {

// All runs of ops of one name and, for linear layers, one shape.
struct OpProfile {
  OpCost cost;  // summed over the runs; k and n of one run
  std::uint64_t runs = 0;
  double seconds = 0.0;
};

// Not profiling it costs a branch for each op; whoever never profiles does not put it there.
class ProfilingDevice final : public EachOpDevice<ProfilingDevice> {
 public:
  using EachOpDevice::EachOpDevice;

  void start();

  // What was added up since `start`, the longest time first.
  std::vector<OpProfile> stop();

  // The weights that linear layers read while profiling, each matrix once.
  const std::vector<std::span<const std::byte>>& weights_read() const { return weights_; }

 private:
  friend EachOpDevice;
  template <typename Op>
  void around(const Op& op);
  void add(const OpCost& cost, double seconds);

  bool profiling_ = false;
  std::vector<OpProfile> profiles_;
  std::vector<std::span<const std::byte>> weights_;
};

extern template class EachOpDevice<ProfilingDevice>;

}  // namespace troupe::kernels

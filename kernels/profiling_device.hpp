// A device that forwards to another one and, while it is asked to, adds up what each kind of op
// took.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "kernels/forwarding_device.hpp"
#include "kernels/op_cost.hpp"

namespace troupe::kernels {

// All runs of ops of one name and, for linear layers, one shape.
struct OpProfile {
  OpCost cost;  // summed over the runs; k and n of one run
  std::uint64_t runs = 0;
  double seconds = 0.0;
};

// Not profiling it costs a branch for each op; whoever never profiles does not put it there.
class ProfilingDevice final : public ForwardingDevice {
 public:
  using ForwardingDevice::ForwardingDevice;

  void start();

  // What was added up since `start`, the longest time first.
  std::vector<OpProfile> stop();

  // The weights that linear layers read while profiling, each matrix once.
  const std::vector<std::span<const std::byte>>& weights_read() const { return weights_; }

  void run(std::span<const Linear> ops) override;
  void run(std::span<const Int8Linear> ops) override;
  void run(std::span<const GroupedLinear> ops) override;
  void run(std::span<const Bf16Linear> ops) override;
  void run(const Quantize& op) override;
  void run(const PackBf16& op) override;
  void run(const Embedding& op) override;
  void run(const RmsNorm& op) override;
  void run(const RopeAppend& op) override;
  void run(const Attention& op) override;
  void run(const SiluMul& op) override;

 private:
  template <typename Op>
  void forward(const Op& op);
  void add(const OpCost& cost, double seconds);

  bool profiling_ = false;
  std::vector<OpProfile> profiles_;
  std::vector<std::span<const std::byte>> weights_;
};

}  // namespace troupe::kernels

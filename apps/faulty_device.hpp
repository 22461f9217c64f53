// A device that does to itself what a test orders, in the middle of a step.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "apps/faults.hpp"
#include "kernels/forwarding_device.hpp"

namespace troupe::apps {

class FaultyDevice final : public kernels::ForwardingDevice {
 public:
  // `faults` must outlive the device.
  FaultyDevice(std::unique_ptr<kernels::Device> device, WorkerFaults& faults)
      : kernels::ForwardingDevice(std::move(device)), faults_(faults) {}

  void run(std::span<const kernels::Linear> ops) override { forward(ops); }

  void run(std::span<const kernels::Int8Linear> ops) override { forward(ops); }

  void run(std::span<const kernels::GroupedLinear> ops) override { forward(ops); }

  void run(std::span<const kernels::Bf16Linear> ops) override { forward(ops); }

  void run(const kernels::Quantize& op) override { forward(op); }

  void run(const kernels::PackBf16& op) override { forward(op); }

  void run(const kernels::Embedding& op) override {
    forward(op);
    faults_.spoil(op);
  }

  void run(const kernels::RmsNorm& op) override { forward(op); }

  void run(const kernels::RopeAppend& op) override { forward(op); }

  void run(const kernels::Attention& op) override { forward(op); }

  void run(const kernels::SiluMul& op) override { forward(op); }

 private:
  template <typename Op>
  void forward(const Op& op) {
    faults_.in_operation();
    device().run(op);
  }

  WorkerFaults& faults_;
};

}  // namespace troupe::apps

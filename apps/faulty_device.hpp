// A device that does to itself what a test orders, in the middle of a step.
#pragma once

#include <memory>
#include <utility>

#include "apps/faults.hpp"
#include "kernels/forwarding_device.hpp"

namespace troupe::apps {

class FaultyDevice final : public kernels::ForwardingDevice {
 public:
  // `faults` must outlive the device.
  FaultyDevice(std::unique_ptr<kernels::Device> device, WorkerFaults& faults)
      : kernels::ForwardingDevice(std::move(device)), faults_(faults) {}

  using kernels::ForwardingDevice::run;

  void run(const kernels::Embedding& op) override {
    ForwardingDevice::run(op);
    faults_.spoil(op);
  }

 private:
  void before_operation() override { faults_.in_operation(); }

  WorkerFaults& faults_;
};

}  // namespace troupe::apps

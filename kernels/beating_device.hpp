// A device that tells after each operation that it got on: the beat of the compute loop, and of
// packing, whose loops over a tensor are its work too.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "kernels/forwarding_device.hpp"

namespace troupe::kernels {

// `beat` is called on the thread that runs the operations, a few hundred times a step: it should
// cost nanoseconds.
class BeatingDevice final : public ForwardingDevice {
 public:
  BeatingDevice(std::unique_ptr<Device> device, std::function<void()> beat)
      : ForwardingDevice(std::move(device)), beat_(std::move(beat)) {}

 private:
  void after_operation() override { beat_(); }

  void run_on_host(std::uint32_t tiles, HostTask task, void* context) override {
    ForwardingDevice::run_on_host(tiles, task, context);
    beat_();
  }

  std::function<void()> beat_;
};

}  // namespace troupe::kernels

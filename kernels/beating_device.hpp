// A device that tells after each operation that it got on: the beat of the compute loop.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "config/check.hpp"
#include "kernels/device.hpp"

namespace troupe::kernels {

// `beat` is called on the thread that runs the operations, a few hundred times a step: it should
// cost nanoseconds.
class BeatingDevice final : public Device {
 public:
  BeatingDevice(std::unique_ptr<Device> device, std::function<void()> beat)
      : device_(std::move(device)), beat_(std::move(beat)) {}

  std::string_view backend() const override { return device_->backend(); }

  int threads() const override { return device_->threads(); }

  bool prefers_bf16() const override { return device_->prefers_bf16(); }

  DeviceBuffer allocate(std::size_t bytes) override { return device_->allocate(bytes); }

  void copy_to_device(void* device, const void* host, std::size_t bytes) override {
    device_->copy_to_device(device, host, bytes);
  }

  void copy_to_host(void* host, const void* device, std::size_t bytes) override {
    device_->copy_to_host(host, device, bytes);
  }

  void prefault(void* data, std::size_t bytes) override { device_->prefault(data, bytes); }

  void move(void* to, const void* from, std::size_t bytes) override {
    device_->move(to, from, bytes);
  }

  void synchronize() override { device_->synchronize(); }

  void run(std::span<const Linear> ops) override { forward(ops); }

  void run(std::span<const Int8Linear> ops) override { forward(ops); }

  void run(std::span<const GroupedLinear> ops) override { forward(ops); }

  void run(std::span<const Bf16Linear> ops) override { forward(ops); }

  void run(const Quantize& op) override { forward(op); }

  void run(const PackBf16& op) override { forward(op); }

  void run(const Embedding& op) override { forward(op); }

  void run(const RmsNorm& op) override { forward(op); }

  void run(const RopeAppend& op) override { forward(op); }

  void run(const Attention& op) override { forward(op); }

  void run(const SiluMul& op) override { forward(op); }

 private:
  template <typename Op>
  void forward(const Op& op) {
    device_->run(op);
    beat_();
  }

  void run_on_host(std::uint32_t tiles, HostTask task, void* context) override {
    device_->run_on_host(tiles, task, context);
    beat_();
  }

  // Buffers know the device that made them, and that is the inner one.
  void release(std::byte*, std::size_t) override {
    CHECK(false, "this device allocates nothing itself");
  }

  std::unique_ptr<Device> device_;
  std::function<void()> beat_;
};

}  // namespace troupe::kernels

// A device that passes everything on to another: what watches operations begins here.
#pragma once

#include <memory>
#include <utility>

#include "config/check.hpp"
#include "kernels/device.hpp"

namespace troupe::kernels {

class ForwardingDevice : public Device {
 public:
  explicit ForwardingDevice(std::unique_ptr<Device> device) : device_(std::move(device)) {}

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

 protected:
  Device& device() { return *device_; }

  // Around each operation that is passed on, on the thread that runs it.
  virtual void before_operation() {}

  virtual void after_operation() {}

  void run_on_host(std::uint32_t tiles, HostTask task, void* context) override {
    device_->run_on_host(tiles, task, context);
  }

 private:
  // Buffers know the device that made them, and that is the other one.
  void release(std::byte*, std::size_t) override {
    CHECK(false, "this device allocates nothing itself");
  }

  template <typename Op>
  void forward(const Op& op) {
    before_operation();
    device_->run(op);
    after_operation();
  }

  std::unique_ptr<Device> device_;
};

}  // namespace troupe::kernels

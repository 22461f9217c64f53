// A device that passes all but the operations on to another: what watches operations begins here.
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

 protected:
  Device& device() { return *device_; }

  void run_on_host(std::uint32_t tiles, HostTask task, void* context) override {
    device_->run_on_host(tiles, task, context);
  }

 private:
  // Buffers know the device that made them, and that is the other one.
  void release(std::byte*, std::size_t) override {
    CHECK(false, "this device allocates nothing itself");
  }

  std::unique_ptr<Device> device_;
};

}  // namespace troupe::kernels

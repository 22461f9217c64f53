// A device that has memory and computes nothing: what readers of weights need.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#include "config/check.hpp"
#include "kernels/device.hpp"

namespace troupe::fuzz {

class MemoryDevice : public kernels::Device {
 public:
  std::string_view backend() const override { return "none"; }

  int threads() const override { return 1; }

  bool prefers_bf16() const override { return false; }

  kernels::DeviceBuffer allocate(std::size_t bytes) override {
    auto* data = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}));
    std::memset(data, 0, bytes);
    return {*this, data, bytes};
  }

  void copy_to_device(void* device, const void* host, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(device, host, bytes);
  }

  void copy_to_host(void* host, const void* device, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(host, device, bytes);
  }

  void move(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memmove(to, from, bytes);
  }

  void synchronize() override {}

  void run(std::span<const kernels::Linear>) override { refuse(); }

  void run(std::span<const kernels::Int8Linear>) override { refuse(); }

  void run(std::span<const kernels::GroupedLinear>) override { refuse(); }

  void run(std::span<const kernels::Bf16Linear>) override { refuse(); }

  void run(const kernels::Quantize&) override { refuse(); }

  void run(const kernels::PackBf16&) override { refuse(); }

  void run(const kernels::Embedding&) override { refuse(); }

  void run(const kernels::RmsNorm&) override { refuse(); }

  void run(const kernels::RopeAppend&) override { refuse(); }

  void run(const kernels::Attention&) override { refuse(); }

  void run(const kernels::SiluMul&) override { refuse(); }

 private:
  static void refuse() { CHECK(false, "readers compute nothing"); }

  void run_on_host(std::uint32_t, HostTask, void*) override { refuse(); }

  void release(std::byte* data, std::size_t) override {
    ::operator delete (data, std::align_val_t{64});
  }
};

}  // namespace troupe::fuzz

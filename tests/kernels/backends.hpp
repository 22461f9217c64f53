// The CPU backends that this machine can run, for tests that hold each against the reference.
#pragma once

#include <memory>
#include <vector>

#include "config/user_error.hpp"
#include "kernels/device.hpp"

namespace troupe::kernels {

inline std::vector<std::unique_ptr<Device>> all_cpu_devices(int threads) {
  std::vector<std::unique_ptr<Device>> devices;
  for (const CpuBackend backend : {CpuBackend::kAmx,
                                   CpuBackend::kAvx512Bf16,
                                   CpuBackend::kAvx512,
                                   CpuBackend::kAvx512F,
                                   CpuBackend::kAvxVnni,
                                   CpuBackend::kAvx2,
                                   CpuBackend::kScalar}) {
    try {
      devices.push_back(make_cpu_device(threads, backend));
    } catch (const config::UserError&) {
      // This machine lacks the instruction set; scalar is always there.
    }
  }
  return devices;
}

}  // namespace troupe::kernels

// The CPU backends that this machine can run, for tests that hold each against the reference.
#pragma once

#include <memory>
#include <vector>

#include "config/user_error.hpp"
#include "kernels/device.hpp"

namespace troupe::kernels {

inline std::vector<CpuBackend> runnable_cpu_backends() {
  std::vector<CpuBackend> backends;
  for (const CpuBackend backend : {CpuBackend::kAmx,
                                   CpuBackend::kAvx512Bf16,
                                   CpuBackend::kAvx512,
                                   CpuBackend::kAvx512F,
                                   CpuBackend::kAvxVnni,
                                   CpuBackend::kAvx2,
                                   CpuBackend::kScalar}) {
    try {
      make_cpu_device(1, backend);
      backends.push_back(backend);
    } catch (const config::UserError&) {
      // This machine lacks the instruction set; scalar is always there.
    }
  }
  return backends;
}

inline std::vector<std::unique_ptr<Device>> all_cpu_devices(int threads) {
  std::vector<std::unique_ptr<Device>> devices;
  for (const CpuBackend backend : runnable_cpu_backends()) {
    devices.push_back(make_cpu_device(threads, backend));
  }
  return devices;
}

}  // namespace troupe::kernels

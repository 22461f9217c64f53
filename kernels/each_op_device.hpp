// A forwarding device that does one thing around each op, whatever its kind.
#pragma once

#include "kernels/forwarding_device.hpp"

namespace troupe::kernels {

// `Derived` has a template `void around(const Op& op)`, for single ops and for spans of those that
// share a launch, which runs it on `device()`.
template <typename Derived>
class EachOpDevice : public ForwardingDevice {
 public:
  using ForwardingDevice::ForwardingDevice;

  void run(std::span<const Linear> ops) final { self().around(ops); }

  void run(std::span<const Int8Linear> ops) final { self().around(ops); }

  void run(std::span<const GroupedLinear> ops) final { self().around(ops); }

  void run(std::span<const Bf16Linear> ops) final { self().around(ops); }

  void run(const Quantize& op) final { self().around(op); }

  void run(const PackBf16& op) final { self().around(op); }

  void run(const Embedding& op) final { self().around(op); }

  void run(const RmsNorm& op) final { self().around(op); }

  void run(const RopeAppend& op) final { self().around(op); }

  void run(const Attention& op) final { self().around(op); }

  void run(const SiluMul& op) final { self().around(op); }

 private:
  Derived& self() { return static_cast<Derived&>(*this); }
};

}  // namespace troupe::kernels

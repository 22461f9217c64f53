#include "apps/machine_limits.hpp"

#include <algorithm>

namespace troupe::apps {
namespace {

using kernels::Arithmetic;

std::optional<double> rate_of(Arithmetic arithmetic, const MachineLimits& limits) {
  switch (arithmetic) {
    case Arithmetic::kInt8:
      return limits.int8_tops;
    case Arithmetic::kGroupedInt8:
      return limits.grouped_int8_tops;
    case Arithmetic::kBf16:
      return limits.bf16_tops;
    case Arithmetic::kFp32:
      break;
  }
  return limits.fp32_tops;
}

// The tile unit multiplies half as many BF16 as int8 in a cycle.
std::optional<double> half(std::optional<double> rate) {
  if (rate) *rate /= 2;
  return rate;
}

}  // namespace

// Where a backend has no BF16 products, attention over BF16 expands keys and values to FP32.
MachineLimits limits_of(const Calibration& c, std::string_view backend) {
  const double memory = c.memory_read_gb_per_s;
  const auto tiles = c.amx_int8_tops;
  const auto int8 = c.avx512_int8_tops;
  const auto fp32 = c.avx512_fp32_tops;
  if (backend == "amx") return {tiles, int8, half(tiles), fp32, memory};
  if (backend == "avx512_bf16") return {int8, int8, c.avx512_bf16_tops, fp32, memory};
  if (backend == "avx512") return {int8, int8, fp32, fp32, memory};
  if (backend == "avx512f") return {c.avx2_int8_tops, c.avx2_int8_tops, fp32, fp32, memory};
  if (backend == "avx_vnni")
    return {c.avx_vnni_int8_tops, c.avx_vnni_int8_tops, c.avx2_fp32_tops, c.avx2_fp32_tops, memory};
  if (backend != "avx2") return {.memory_read_gb_per_s = memory};
  return {c.avx2_int8_tops, c.avx2_int8_tops, c.avx2_fp32_tops, c.avx2_fp32_tops, memory};
}

std::optional<double> limit_seconds(const kernels::OpCost& cost, const MachineLimits& limits) {
  const double memory =
      static_cast<double>(cost.memory_bytes) / (limits.memory_read_gb_per_s * 1e9);
  const std::optional<double> rate = rate_of(cost.arithmetic, limits);
  const double compute = rate ? static_cast<double>(cost.operations) / (*rate * 1e12) : 0.0;
  // Mostly activations: what little comes from memory is not the bound.
  if (compute == 0.0 && cost.memory_bytes < cost.cache_bytes) return std::nullopt;
  return std::max(memory, compute);
}

}  // namespace troupe::apps

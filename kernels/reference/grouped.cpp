// The plain form of grouped layers. The fast ones must give the same bits, so the order of
// operations here is the contract's.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {
namespace {

constexpr float kLeast = 1e-30F;  // the inverse must stay finite

// IEEE 754 binary16, normal or zero or subnormal; exact.
float half(const std::byte* p) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, p, sizeof bits);
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = bits >> 10 & 31U;
  const std::uint32_t fraction = bits & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

void group_one(const float* x, std::int32_t count, std::int8_t* q, float* scale, float* sum) {
  // As integers, magnitudes order like floats, with infinity and not-a-number above all of them.
  std::uint32_t highest = 0;
  for (std::int32_t i = 0; i < count; ++i)
    highest = std::max(highest, std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFU);
  const auto largest = std::bit_cast<float>(highest);
  std::fill_n(q, kGroupValues, std::int8_t{0});
  if (!(largest >= kLeast && largest <= std::numeric_limits<float>::max())) {
    *scale = largest < kLeast ? 0.0F : std::numeric_limits<float>::quiet_NaN();
    *sum = *scale;
    return;
  }
  const float inverse = 127.0F / largest;
  std::int32_t total = 0;
  for (std::int32_t i = 0; i < count; ++i) {
    q[i] = static_cast<std::int8_t>(std::nearbyint(x[i] * inverse));
    total += q[i];
  }
  *scale = largest / 127.0F;
  *sum = *scale * static_cast<float>(total);
}

std::int32_t q_of(const GroupedWeights& w, const std::byte* block, std::int32_t j, std::int32_t k) {
  const bool second = j % kGroupedColumns >= 16;
  const std::size_t at = grouped_byte_at(j, k);
  if (w.bits == 8) return static_cast<std::int32_t>(block[(second ? 1024 : 0) + at]);
  const auto both = static_cast<std::int32_t>(block[at]);
  const std::int32_t low = second ? both >> 4 : both & 15;
  if (w.bits == 4) return low;
  const std::size_t mask = 1024 + at / 64 * 16 + (second ? 8 : 0) + at % 64 / 8;
  return low | (static_cast<std::int32_t>(block[mask]) >> at % 8 & 1) << 4;
}

}  // namespace

void group_rows(
    const float* x, std::int32_t k, const GroupedInput& out, std::int32_t begin, std::int32_t end) {
  const std::int32_t padded = grouped_padded_k(k);
  const std::int32_t groups = padded / kGroupValues;
  for (std::int32_t r = begin; r < end; ++r) {
    for (std::int32_t g = 0; g < groups; ++g) {
      const std::int32_t at = g * kGroupValues;
      group_one(x + std::ptrdiff_t{r} * k + std::min(at, k),
                std::clamp(k - at, 0, kGroupValues),
                out.q + std::ptrdiff_t{r} * padded + at,
                out.scale + std::ptrdiff_t{r} * groups + g,
                out.sum + std::ptrdiff_t{r} * groups + g);
    }
  }
}

void grouped_linear(const GroupedLinear& op,
                    const GroupedInput& x,
                    std::int32_t begin,
                    std::int32_t end) {
  const GroupedWeights& w = op.weights;
  const std::int32_t padded = grouped_padded_k(w.k);
  const std::int32_t groups = padded / kGroupValues;
  for (std::int32_t r = 0; r < op.rows; ++r) {
    for (std::int32_t j = begin; j < end; ++j) {
      float total = 0;
      for (std::int32_t g = 0; g < groups; ++g) {
        const std::byte* block = w.blocks + grouped_block_at(w.bits, padded, j, g * kGroupValues);
        std::int32_t dot = 0;
        for (std::int32_t k = g * kGroupValues; k < (g + 1) * kGroupValues; ++k)
          dot += x.q[std::ptrdiff_t{r} * padded + k] * q_of(w, block, j, k);
        const std::size_t at = static_cast<std::size_t>(g % 2 * 32 + j % kGroupedColumns) * 2;
        const std::ptrdiff_t of_x = std::ptrdiff_t{r} * groups + g;
        const float scale = x.scale[of_x] * half(block + grouped_scales_at(w.bits) + at);
        total = std::fma(static_cast<float>(dot), scale, total);
        total = std::fma(x.sum[of_x], half(block + grouped_minima_at(w.bits) + at), total);
      }
      if (op.bias != nullptr) total += op.bias[j];
      float& y = op.y[std::ptrdiff_t{r} * w.n + j];
      y = op.accumulate ? y + total : total;
    }
  }
}

}  // namespace troupe::kernels::reference

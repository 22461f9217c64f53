// The channels of a BF16 layer whose sums are formed together, and what becomes of a sum. Included
// by amx_bf16.cpp and avx512_bf16_linear.cpp only.
#pragma once

namespace {

constexpr std::int32_t kHalf = 16;   // rows of a tile, channels of half a panel
constexpr std::int32_t kPanel = 32;  // channels whose sums are formed together

inline std::int32_t at_most_half(std::int32_t left) {
  return left < 0 ? 0 : left < kHalf ? left : kHalf;
}

// y[column … column + 16) of one row, from its sums.
inline void put_row(const Bf16Linear& op, float* y, std::int32_t column, Vec value) {
  const __mmask16 mask = first_lanes(at_most_half(op.n - column));
  if (op.bias != nullptr) value = add(value, _mm512_maskz_loadu_ps(mask, op.bias + column));
  if (op.accumulate) value = add(_mm512_maskz_loadu_ps(mask, y), value);
  _mm512_mask_storeu_ps(y, mask, value);
}

}  // namespace

// What the int8 kernels with 512-bit vectors share: the end of a column's sum. Included by ISA
// files only.
#pragma once

namespace {

inline std::int32_t padded_k(std::int32_t k) { return (k + 63) / 64 * 64; }

inline __mmask16 columns_mask(std::int32_t count) {
  return count >= 16 ? static_cast<__mmask16>(0xFFFFU)
                     : static_cast<__mmask16>((1U << (count > 0 ? count : 0)) - 1U);
}

// Writes y[row, column … column + 16) from exact sums. The operations are those of the contract.
inline void finish16(const Int8Linear& op, std::int32_t row, std::int32_t column, __m512i sum) {
  const __mmask16 mask = columns_mask(op.weights.n - column);
  const __m512 scale =
      _mm512_mul_ps(_mm512_set1_ps(op.x_scale[row]), _mm512_loadu_ps(op.weights.scales + column));
  __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.weights.n + column;
  if (op.bias != nullptr)
    value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, op.bias + column));
  if (op.accumulate) value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), value);
  _mm512_mask_storeu_ps(y, mask, value);
}

}  // namespace

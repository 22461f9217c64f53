// The plain form of BF16 layers: the same rounding of operands, sums in double.
#include <bit>
#include <cmath>

#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {
namespace {

double to_double(Bf16 value) {
  return static_cast<double>(std::bit_cast<float>(std::uint32_t{value} << 16));
}

// Of columns of expanded weights, as they are rounded: [k].
double dot(const Bf16Linear& op, const float* weights, std::int32_t row) {
  const std::int32_t padded = bf16_padded_k(op.k);
  double sum = 0;
  for (std::int32_t i = 0; i < op.k; ++i) {
    sum += to_double(op.x[bf16_index(op.rows, padded, row, i)]) * to_double(to_bf16(weights[i]));
  }
  return sum;
}

void gated_column(const Bf16Linear& op, std::int32_t column, float* scratch) {
  const std::size_t at = static_cast<std::size_t>(column);
  float* up = scratch + op.k;
  expand_row(op.type, op.weights + at * row_bytes(op.type, op.k), op.k, scratch);
  expand_row(op.up_type, op.up + at * row_bytes(op.up_type, op.k), op.k, up);
  const std::int32_t padded = bf16_padded_k(op.n);
  for (std::int32_t r = 0; r < op.rows; ++r) {
    const double gate = dot(op, scratch, r);
    const double value = gate / (1 + std::exp(-gate)) * dot(op, up, r);
    op.packed_y[bf16_index(op.rows, padded, r, column)] = to_bf16(static_cast<float>(value));
  }
}

}  // namespace

Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<Bf16>(bits >> 16 | 0x40U);
  if ((bits & 0x7F800000U) == 0) return static_cast<Bf16>(bits >> 16 & 0x8000U);
  return static_cast<Bf16>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

void pack_bf16(const PackBf16& op, std::int32_t begin, std::int32_t end, float* scratch) {
  const std::int32_t padded = bf16_padded_k(op.k);
  for (std::int32_t r = begin; r < end; ++r) {
    const float* row = op.x + std::ptrdiff_t{r} * op.k;
    if (op.norm_weight != nullptr) {
      rms_norm({.x = row,
                .weight = op.norm_weight,
                .y = scratch,
                .rows = 1,
                .k = op.k,
                .epsilon = op.epsilon},
               0,
               1);
      row = scratch;
    }
    for (std::int32_t i = 0; i < padded; ++i)
      op.out[bf16_index(op.rows, padded, r, i)] = i < op.k ? to_bf16(row[i]) : Bf16{0};
  }
}

void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  if (op.up != nullptr) {
    for (std::int32_t j = begin; j < end; ++j) gated_column(op, j, scratch);
    if (end < op.n) return;
    const std::int32_t padded = bf16_padded_k(op.n);
    for (std::int32_t r = 0; r < op.rows; ++r) {
      for (std::int32_t j = op.n; j < padded; ++j)
        op.packed_y[bf16_index(op.rows, padded, r, j)] = 0;
    }
    return;
  }
  const std::size_t bytes = row_bytes(op.type, op.k);
  for (std::int32_t j = begin; j < end; ++j) {
    expand_row(op.type, op.weights + static_cast<std::size_t>(j) * bytes, op.k, scratch);
    for (std::int32_t r = 0; r < op.rows; ++r) {
      auto value = static_cast<float>(dot(op, scratch, r));
      if (op.bias != nullptr) value += op.bias[j];
      float& y = op.y[std::ptrdiff_t{r} * op.n + j];
      y = op.accumulate ? y + value : value;
    }
  }
}

}  // namespace troupe::kernels::reference

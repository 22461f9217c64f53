// The end of an int8 layer's sums, written once for every vector width. Included by ISA files only.
#pragma once

#include "kernels/cpu/body/elementwise.hpp"

namespace {

inline std::int32_t padded_k(std::int32_t k) { return (k + 63) / 64 * 64; }

// What a sum becomes; the operations are those of the contract. `left` columns are there.
inline Vec finished(const Int8Linear& op,
                    std::int32_t row,
                    std::int32_t column,
                    std::int32_t left,
                    const std::int32_t* sums) {
  const Vec scale = mul(broadcast(op.x_scale[row]), load(op.weights.scales + column));
  const Vec value = mul(from_int32(sums), scale);
  if (op.bias == nullptr) return value;
  const float* bias = op.bias + column;
  return add(value, left >= kLanes ? load(bias) : load_first(bias, left));
}

inline void store_columns(const Int8Linear& op, float* y, std::int32_t left, Vec value) {
  const bool adds = op.output == Int8Output::kAdd;
  if (left >= kLanes) return store(y, adds ? add(load(y), value) : value);
  store_first(y, adds ? add(load_first(y, left), value) : value, left);
}

// Writes one row of a panel from its exact sums: [32].
inline void finish_panel(const Int8Linear& op,
                         std::int32_t row,
                         std::int32_t column,
                         const std::int32_t* sums) {
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.y_stride;
  if (op.output == Int8Output::kSiluMul) {
    for (std::int32_t i = 0; i < 16; i += kLanes) {
      const Vec gate = finished(op, row, column + i, kLanes, sums + i);
      const Vec up = finished(op, row, column + 16 + i, kLanes, sums + 16 + i);
      store(y + column / 2 + i, gated(gate, up));
    }
    return;
  }
  const std::int32_t left = op.weights.n - column;
  for (std::int32_t i = 0; i < 32 && i < left; i += kLanes)
    store_columns(op, y + column + i, left - i, finished(op, row, column + i, left - i, sums + i));
}

}  // namespace

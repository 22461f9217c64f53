// The end of an int8 layer's sums, written once for every vector width. Included by ISA files only.
#pragma once

#include "kernels/cpu/body/elementwise.hpp"

namespace {

inline std::int32_t padded_k(std::int32_t k) { return (k + 63) / 64 * 64; }

// What belongs to kLanes columns: their scales and biases, loaded once for all rows.
struct Columns {
  Vec scales;
  Vec biases;
};

inline Columns columns_at(const Int8Linear& op, std::int32_t column, std::int32_t left) {
  const Vec scales = load(op.weights.scales + column);
  if (op.bias == nullptr) return {scales, zero()};
  const float* bias = op.bias + column;
  return {scales, left >= kLanes ? load(bias) : load_first(bias, left)};
}

// What a sum becomes; the operations are those of the contract.
template <bool kBias>
inline Vec finished(const Columns& columns, Vec x_scale, const std::int32_t* sums) {
  const Vec value = mul(from_int32(sums), mul(x_scale, columns.scales));
  return kBias ? add(value, columns.biases) : value;
}

// Rows of kLanes columns of a panel, `left` of which are there. Sums: [rows, 32].
template <bool kBias, bool kAdd>
inline void finish_columns(const Int8Linear& op,
                           std::int32_t row,
                           std::int32_t rows,
                           std::int32_t column,
                           const std::int32_t* sums) {
  const std::int32_t left = op.weights.n - column;
  const Columns columns = columns_at(op, column, left);
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.y_stride + column;
  for (std::int32_t r = 0; r < rows; ++r, y += op.y_stride, sums += kInt8Columns) {
    const Vec value = finished<kBias>(columns, broadcast(op.x_scale[row + r]), sums);
    if (left >= kLanes) {
      store(y, kAdd ? add(load(y), value) : value);
    } else {
      store_first(y, kAdd ? add(load_first(y, left), value) : value, left);
    }
  }
}

template <bool kBias>
inline void finish_gated(const Int8Linear& op,
                         std::int32_t row,
                         std::int32_t rows,
                         std::int32_t column,
                         const std::int32_t* sums) {
  for (std::int32_t i = 0; i < 16; i += kLanes) {
    const Columns gates = columns_at(op, column + i, kLanes);
    const Columns ups = columns_at(op, column + 16 + i, kLanes);
    float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.y_stride + column / 2 + i;
    for (std::int32_t r = 0; r < rows; ++r, y += op.y_stride) {
      const Vec x_scale = broadcast(op.x_scale[row + r]);
      const std::int32_t* at = sums + r * kInt8Columns + i;
      store(y, gated(finished<kBias>(gates, x_scale, at), finished<kBias>(ups, x_scale, at + 16)));
    }
  }
}

template <bool kBias>
inline void finish_rows(const Int8Linear& op,
                        std::int32_t row,
                        std::int32_t rows,
                        std::int32_t column,
                        const std::int32_t* sums) {
  if (op.output == Int8Output::kSiluMul) return finish_gated<kBias>(op, row, rows, column, sums);
  for (std::int32_t i = 0; i < 32 && column + i < op.weights.n; i += kLanes) {
    if (op.output == Int8Output::kAdd) {
      finish_columns<kBias, true>(op, row, rows, column + i, sums + i);
    } else {
      finish_columns<kBias, false>(op, row, rows, column + i, sums + i);
    }
  }
}

// Writes rows of a panel from their exact sums: [rows, 32].
inline void finish_panel(const Int8Linear& op,
                         std::int32_t row,
                         std::int32_t rows,
                         std::int32_t column,
                         const std::int32_t* sums) {
  if (op.bias != nullptr) {
    finish_rows<true>(op, row, rows, column, sums);
  } else {
    finish_rows<false>(op, row, rows, column, sums);
  }
}

}  // namespace

// The end of an int8 layer's sums, written once for every vector width. Included by ISA files only.
#pragma once

#include "kernels/cpu/body/elementwise.hpp"

namespace {

inline std::int32_t padded_k(std::int32_t k) { return (k + 63) / 64 * 64; }

constexpr std::int32_t kPanelVectors = 32 / kLanes;

// What belongs to the columns of a panel: their scales and biases, loaded once for some rows.
template <bool kBias>
struct PanelColumns {
  Vec scales[kPanelVectors];
  Vec biases[kBias ? kPanelVectors : 1];

  // What vector v of a row's sums becomes; the operations are those of the contract.
  Vec value(std::int32_t v, Vec x_scale, const std::int32_t* sums) const {
    const Vec sum = mul(from_int32(sums + v * kLanes), mul(x_scale, scales[v]));
    return kBias ? add(sum, biases[kBias ? v : 0]) : sum;
  }
};

// `left` columns are there, of those the panel begins with.
template <bool kBias>
inline PanelColumns<kBias> columns_at(const Int8Linear& op,
                                      std::int32_t column,
                                      std::int32_t left) {
  PanelColumns<kBias> columns;
#pragma GCC unroll 4
  for (std::int32_t v = 0; v < kPanelVectors; ++v) {
    columns.scales[v] = load(op.weights.scales + column + v * kLanes);
    if (!kBias) continue;
    const float* bias = op.bias + column + v * kLanes;
    const std::int32_t rest = left - v * kLanes;
    columns.biases[kBias ? v : 0] = rest >= kLanes ? load(bias)
                                    : rest > 0     ? load_first(bias, rest)
                                                   : zero();
  }
  return columns;
}

// Rows of a panel's sums: [rows, 32].
struct PanelRows {
  std::int32_t row;
  std::int32_t rows;
  std::int32_t column;
  const std::int32_t* sums;
};

template <bool kBias, bool kAdd>
inline void finish_panel(const Int8Linear& op, const PanelRows& at) {
  const std::int32_t left = op.weights.n - at.column;
  const PanelColumns<kBias> columns = columns_at<kBias>(op, at.column, left);
  const std::int32_t* sums = at.sums;
  float* y = op.y + static_cast<std::ptrdiff_t>(at.row) * op.y_stride + at.column;
  for (std::int32_t r = 0; r < at.rows; ++r, y += op.y_stride, sums += kInt8Columns) {
    const Vec x_scale = broadcast(op.x_scale[at.row + r]);
#pragma GCC unroll 4
    for (std::int32_t v = 0; v < kPanelVectors; ++v) {
      float* to = y + v * kLanes;
      const Vec value = columns.value(v, x_scale, sums);
      const std::int32_t rest = left - v * kLanes;
      if (rest >= kLanes) {
        store(to, kAdd ? add(load(to), value) : value);
      } else if (rest > 0) {
        store_first(to, kAdd ? add(load_first(to, rest), value) : value, rest);
      }
    }
  }
}

// The first half of a panel's columns is a gate, the second what it gates.
template <bool kBias>
inline void finish_gated_panel(const Int8Linear& op, const PanelRows& at) {
  const PanelColumns<kBias> columns = columns_at<kBias>(op, at.column, 32);
  const std::int32_t* sums = at.sums;
  std::uint16_t* y = op.gated + static_cast<std::ptrdiff_t>(at.row) * op.y_stride + at.column / 2;
  for (std::int32_t r = 0; r < at.rows; ++r, y += op.y_stride, sums += kInt8Columns) {
    const Vec x_scale = broadcast(op.x_scale[at.row + r]);
#pragma GCC unroll 2
    for (std::int32_t v = 0; v < kPanelVectors / 2; ++v) {
      const Vec gate = columns.value(v, x_scale, sums);
      const Vec up = columns.value(v + kPanelVectors / 2, x_scale, sums);
      store_bf16(y + v * kLanes, short_gated(gate, up));
    }
  }
}

template <bool kBias>
inline void finish_rows(const Int8Linear& op, const PanelRows& at) {
  if (op.output == Int8Output::kSiluMul) return finish_gated_panel<kBias>(op, at);
  if (op.output == Int8Output::kAdd) return finish_panel<kBias, true>(op, at);
  finish_panel<kBias, false>(op, at);
}

// Writes rows of a panel from their exact sums.
inline void finish_panel(const Int8Linear& op, const PanelRows& at) {
  if (op.bias != nullptr) {
    finish_rows<true>(op, at);
  } else {
    finish_rows<false>(op, at);
  }
}

}  // namespace

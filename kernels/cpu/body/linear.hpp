// The linear layer, written once for every vector width. Included after a *_expand.hpp, by ISA
// files only.
//
// y[r, j] is the sum over ascending k of w[j, k..k+lanes) · x[r, k..k+lanes) by FMA into one
// vector, whose lanes are then added by halves. One row of x takes weights straight from the
// registers that they are expanded into; several rows take them from a panel in the cache that is
// expanded once. The additions are the same in both.
#pragma once

#include "kernels/cpu/body/tensor_types.hpp"

namespace {

constexpr std::int32_t kPanelRows = 16;    // = kLinearPanelRows
constexpr std::int32_t kXBytes = 1 << 20;  // of x that stay in the L2 cache while panels pass by
constexpr std::int32_t kXValues = 768;     // of a row of x that stay in the L1 cache meanwhile
constexpr int kRowsAhead = 4;              // weight rows that are asked for in advance

inline std::int32_t padded(std::int32_t k) { return (k + 15) / 16 * 16; }

// Writes `count` ≤ 4 finished sums to y[row, column …].
inline void finish(
    const Linear& op, std::int32_t row, std::int32_t column, int count, __m128 sums) {
  alignas(16) float sum[4];
  _mm_store_ps(sum, sums);
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.n + column;
  for (int j = 0; j < count; ++j) {
    float value = sum[j];
    if (op.bias != nullptr) value += op.bias[column + j];
    y[j] = op.accumulate ? y[j] + value : value;
  }
}

template <typename Type>
inline void expand_blocks(const std::uint8_t* block, std::int32_t k, float* out) {
  const std::ptrdiff_t ahead =
      kRowsAhead * (static_cast<std::ptrdiff_t>(k) / Type::kValues * Type::kBytes);
  for (std::int32_t i = 0; i < k; i += Type::kValues) {
    Scales scales;
    prefetch<Type>(block + ahead);
    Type::read_scales(block, scales);
    settle(scales);
    Type::each(
        block, scales, [&](int part, Vec w) __attribute__((always_inline)) {
          store(out + i + part * kLanes, w);
        });
    block += Type::kBytes;
  }
}

// sum + one block of weights · x. By value: a sum that something refers to would live in memory.
template <typename Type>
inline Vec add_block(const std::uint8_t* block, const Scales& scales, const float* x, Vec sum) {
  Type::each(
      block, scales, [&](int part, Vec w) __attribute__((always_inline)) {
        sum = fma(w, load(x + part * kLanes), sum);
      });
  return sum;
}

// Four columns of a single row. Asks for the four rows after these while it computes.
template <typename Type>
inline __m128 dot4(const float* x, const std::uint8_t* const (&weights)[4], std::int32_t k) {
  Vec sum0 = zero();
  Vec sum1 = zero();
  Vec sum2 = zero();
  Vec sum3 = zero();
  const std::ptrdiff_t ahead =
      kRowsAhead * (static_cast<std::ptrdiff_t>(k) / Type::kValues * Type::kBytes);
  std::ptrdiff_t offset = 0;
  for (std::int32_t i = 0; i < k; i += Type::kValues) {
    Scales scales[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      prefetch<Type>(weights[j] + offset + ahead);
      Type::read_scales(weights[j] + offset, scales[j]);
      settle(scales[j]);
    }
    sum0 = add_block<Type>(weights[0] + offset, scales[0], x + i, sum0);
    sum1 = add_block<Type>(weights[1] + offset, scales[1], x + i, sum1);
    sum2 = add_block<Type>(weights[2] + offset, scales[2], x + i, sum2);
    sum3 = add_block<Type>(weights[3] + offset, scales[3], x + i, sum3);
    offset += Type::kBytes;
  }
  return sum_lanes4(sum0, sum1, sum2, sum3);
}

template <typename Type>
inline void linear_one_row(const Linear& op, std::int32_t begin, std::int32_t end) {
  const auto* weights = reinterpret_cast<const std::uint8_t*>(op.weights);
  const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(op.k) / Type::kValues * Type::kBytes;
  for (std::int32_t column = begin; column < end; column += 4) {
    const std::int32_t count = end - column < 4 ? end - column : 4;
    const std::uint8_t* rows[4];
    for (std::int32_t j = 0; j < 4; ++j)
      rows[j] = weights + (column + (j < count ? j : count - 1)) * bytes;
    finish(op, 0, column, count, dot4<Type>(op.x, rows, op.k));
  }
}

// A stretch of k of a few rows of x and four rows of an expanded panel, whose rows are padded with
// zeros.
struct Stretch {
  const Linear& op;
  std::int32_t row;     // of x and y
  std::int32_t column;  // of y
  int count;            // columns that exist
  const float* panel;   // [4, padded(k)]
  std::int32_t begin;   // of k
  std::int32_t end;
  float* sums;  // [rows, 4, lanes]: carried from one stretch to the next
};

template <int Rows>
inline void dot_panel(const Stretch& s) {
  const std::ptrdiff_t k = s.op.k;
  const std::ptrdiff_t stride = padded(s.op.k);
  const float* x = s.op.x + s.row * k;
  const float* panel = s.panel;
  Vec sum[Rows][4];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      sum[r][j] = s.begin == 0 ? zero() : load(s.sums + (4 * r + j) * kLanes);
  }
  std::ptrdiff_t i = s.begin;
  for (; i + kLanes <= s.end; i += kLanes) {
    Vec xs[Rows];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) xs[r] = load(x + r * k + i);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Vec w = load(panel + j * stride + i);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) sum[r][j] = fma(w, xs[r], sum[r][j]);
    }
  }
  if (i < s.end) {
    for (int j = 0; j < 4; ++j) {
      const Vec w = load(panel + j * stride + i);
      for (int r = 0; r < Rows; ++r) {
        sum[r][j] = fma(w, load_first(x + r * k + i, static_cast<int>(k - i)), sum[r][j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
    if (s.end == s.op.k) {
      finish(s.op,
             s.row + r,
             s.column,
             s.count,
             sum_lanes4(sum[r][0], sum[r][1], sum[r][2], sum[r][3]));
      continue;
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) store(s.sums + (4 * r + j) * kLanes, sum[r][j]);
  }
}

inline void dot_stretch(const Stretch& s, int rows) {
  switch (rows) {
    case 1:
      return dot_panel<1>(s);
    case 2:
      return dot_panel<2>(s);
    case 3:
      return dot_panel<3>(s);
#if defined(__AVX512F__)
    case 4:
      return dot_panel<4>(s);
    case 5:
      return dot_panel<5>(s);
    case 6:
      return dot_panel<6>(s);
#endif
    default:
      __builtin_trap();
  }
}

// A block of `rows` ≤ kDotRows rows of x with `columns` expanded weight rows.
inline void dot_rows(const Linear& op,
                     std::int32_t row,
                     int rows,
                     std::int32_t column,
                     std::int32_t columns,
                     const float* panel) {
  alignas(64) float sums[kPanelRows / 4][kDotRows * 4 * kLanes];
  for (std::int32_t begin = 0; begin < op.k; begin += kXValues) {
    const std::int32_t end = op.k - begin < kXValues ? op.k : begin + kXValues;
    for (std::int32_t j = 0; j < columns; j += 4) {
      const int count = columns - j < 4 ? columns - j : 4;
      const float* four = panel + static_cast<std::ptrdiff_t>(j) * padded(op.k);
      dot_stretch({op, row, column + j, count, four, begin, end, sums[j / 4]}, rows);
    }
  }
}

// Rows [begin, end) of x, in blocks of nearly equal size.
inline void dot_all_rows(const Linear& op,
                         std::int32_t begin,
                         std::int32_t end,
                         std::int32_t column,
                         std::int32_t columns,
                         const float* panel) {
  std::int32_t blocks = (end - begin + kDotRows - 1) / kDotRows;
  for (std::int32_t row = begin; row < end; --blocks) {
    const std::int32_t rows = (end - row + blocks - 1) / blocks;
    dot_rows(op, row, rows, column, columns, panel);
    row += rows;
  }
}

inline std::ptrdiff_t weight_row_bytes(const Linear& op);
inline void expand(TensorType type, const std::uint8_t* row, std::int32_t k, float* out);

inline void linear_rows(const Linear& op, std::int32_t begin, std::int32_t end, float* panel) {
  const auto* weights = reinterpret_cast<const std::uint8_t*>(op.weights);
  const std::ptrdiff_t bytes = weight_row_bytes(op);
  const std::int32_t fitting = kXBytes / (4 * op.k);
  const std::int32_t x_rows = fitting < 4 * kDotRows ? 4 * kDotRows : fitting;
  // A panel that few rows of x pass by should stay in the L1 cache; for many, fewer and longer
  // passes are better.
  const std::int32_t panel_rows = op.rows <= 2 * kDotRows ? 4 : kPanelRows;
  for (std::int32_t row = 0; row < op.rows; row += x_rows) {
    const std::int32_t row_end = op.rows - row < x_rows ? op.rows : row + x_rows;
    for (std::int32_t column = begin; column < end; column += panel_rows) {
      const std::int32_t columns = end - column < panel_rows ? end - column : panel_rows;
      for (std::int32_t j = 0; j < columns; ++j) {
        expand(op.type,
               weights + (column + j) * bytes,
               op.k,
               panel + static_cast<std::ptrdiff_t>(j) * padded(op.k));
      }
      dot_all_rows(op, row, row_end, column, columns, panel);
    }
  }
}

inline void expand_floats(TensorType type, const std::uint8_t* row, std::int32_t k, float* out) {
  for (std::int32_t i = 0; i < k; i += kLanes) {
    const int count = k - i < kLanes ? k - i : kLanes;
    if (type == TensorType::kF32) {
      const auto* values = reinterpret_cast<const float*>(row + 4 * i);
      store(out + i, count == kLanes ? load(values) : load_first(values, count));
    } else {
      store(out + i,
            type == TensorType::kF16 ? widen_f16(row + 2 * i, count)
                                     : widen_bf16(row + 2 * i, count));
    }
  }
  // With 8 lanes the last vector may end 8 values before the padding does.
  if (padded(k) - k >= kLanes) store(out + padded(k) - kLanes, zero());
}

struct Expand {
  TensorType type;
  const std::uint8_t* row;
  std::int32_t k;
  float* out;

  template <typename Type>
  void blocks() const {
    expand_blocks<Type>(row, k, out);
  }

  void floats(int) const { expand_floats(type, row, k, out); }
};

struct OneRow {
  const Linear& op;
  std::int32_t begin;
  std::int32_t end;
  float* panel;

  template <typename Type>
  void blocks() const {
    linear_one_row<Type>(op, begin, end);
  }

  void floats(int) const { linear_rows(op, begin, end, panel); }
};

inline std::ptrdiff_t weight_row_bytes(const Linear& op) {
  return visit_type(op.type, RowBytes{op.k});
}

inline void expand(TensorType type, const std::uint8_t* row, std::int32_t k, float* out) {
  visit_type(type, Expand{type, row, k, out});
}

inline void linear_columns(const Linear& op, std::int32_t begin, std::int32_t end, float* panel) {
  if (op.rows == 1) return visit_type(op.type, OneRow{op, begin, end, panel});
  linear_rows(op, begin, end, panel);
}

}  // namespace

// The linear layer, written once for every vector width. Included after a *_expand.hpp, by ISA
// files only.
//
// y[r, j] is the sum over ascending k of w[j, k..k+lanes) · x[r, k..k+lanes) by FMA into one
// vector, whose lanes are then added by halves. One row of x takes weights straight from the
// registers that they are expanded into; several rows take them from a panel in the cache that is
// expanded once. The additions are the same in both.
#pragma once

namespace {

constexpr std::int32_t kPanelRows = 16;    // = kLinearPanelRows
constexpr std::int32_t kXBytes = 1 << 20;  // of x that stay in the L2 cache while panels pass by
constexpr int kPrefetchBytes = 1024;

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
  for (std::int32_t i = 0; i < k; i += Type::kValues) {
    Type::each(
        block, [&](int part, Vec w) __attribute__((always_inline)) {
          store(out + i + part * kLanes, w);
        });
    block += Type::kBytes;
  }
}

// Four columns of a single row.
template <typename Type>
inline __m128 dot4(const float* x, const std::uint8_t* const (&weights)[4], std::int32_t k) {
  Vec sum[4] = {zero(), zero(), zero(), zero()};
  std::ptrdiff_t offset = 0;
  for (std::int32_t i = 0; i < k; i += Type::kValues) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const std::uint8_t* block = weights[j] + offset;
      __builtin_prefetch(block + kPrefetchBytes);
      Type::each(
          block, [&](int part, Vec w) __attribute__((always_inline)) {
            sum[j] = fma(w, load(x + i + part * kLanes), sum[j]);
          });
    }
    offset += Type::kBytes;
  }
  return sum_lanes4(sum[0], sum[1], sum[2], sum[3]);
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

// The sums of Rows rows of x with four rows of an expanded panel, whose rows are padded with zeros.
template <int Rows>
inline void dot_panel(
    const Linear& op, std::int32_t row, std::int32_t column, int count, const float* panel) {
  const std::ptrdiff_t k = op.k;
  const std::ptrdiff_t stride = padded(op.k);
  const float* x = op.x + row * k;
  Vec sum[Rows][4];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sum[r][j] = zero();
  }
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
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
  if (i < k) {
    for (int j = 0; j < 4; ++j) {
      const Vec w = load(panel + j * stride + i);
      for (int r = 0; r < Rows; ++r) {
        sum[r][j] = fma(w, load_first(x + r * k + i, static_cast<int>(k - i)), sum[r][j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
    finish(op, row + r, column, count, sum_lanes4(sum[r][0], sum[r][1], sum[r][2], sum[r][3]));
  }
}

inline void dot_rows(const Linear& op,
                     std::int32_t row,
                     int rows,
                     std::int32_t column,
                     int count,
                     const float* panel) {
  switch (rows) {
    case 1:
      return dot_panel<1>(op, row, column, count, panel);
    case 2:
      return dot_panel<2>(op, row, column, count, panel);
    case 3:
      return dot_panel<3>(op, row, column, count, panel);
#if defined(__AVX512F__)
    case 4:
      return dot_panel<4>(op, row, column, count, panel);
    case 5:
      return dot_panel<5>(op, row, column, count, panel);
    case 6:
      return dot_panel<6>(op, row, column, count, panel);
#endif
    default:
      __builtin_trap();
  }
}

// Rows [begin, end) of x with `columns` expanded weight rows; rows are split into blocks of nearly
// equal size.
inline void dot_all_rows(const Linear& op,
                         std::int32_t begin,
                         std::int32_t end,
                         std::int32_t column,
                         std::int32_t columns,
                         const float* panel) {
  std::int32_t blocks = (end - begin + kDotRows - 1) / kDotRows;
  for (std::int32_t row = begin; row < end; --blocks) {
    const std::int32_t rows = (end - row + blocks - 1) / blocks;
    for (std::int32_t j = 0; j < columns; j += 4) {
      const int count = columns - j < 4 ? columns - j : 4;
      dot_rows(
          op, row, rows, column + j, count, panel + static_cast<std::ptrdiff_t>(j) * padded(op.k));
    }
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
  for (std::int32_t row = 0; row < op.rows; row += x_rows) {
    const std::int32_t row_end = op.rows - row < x_rows ? op.rows : row + x_rows;
    for (std::int32_t column = begin; column < end; column += kPanelRows) {
      const std::int32_t columns = end - column < kPanelRows ? end - column : kPanelRows;
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
      const auto* values = reinterpret_cast<const float*>(row) + i;
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

// The one place that knows all types: calls visit.template on<Type>() for blocks,
// visit.floats(bytes) for plain ones.
template <typename Visitor>
inline auto visit_type(TensorType type, Visitor visitor) {
  switch (type) {
    case TensorType::kQ4_0:
      return visitor.template blocks<Q4_0>();
    case TensorType::kQ4_1:
      return visitor.template blocks<Q4_1>();
    case TensorType::kQ5_0:
      return visitor.template blocks<Q5_0>();
    case TensorType::kQ5_1:
      return visitor.template blocks<Q5_1>();
    case TensorType::kQ8_0:
      return visitor.template blocks<Q8_0>();
    case TensorType::kQ4_K:
      return visitor.template blocks<Q4_K>();
    case TensorType::kQ5_K:
      return visitor.template blocks<Q5_K>();
    case TensorType::kQ6_K:
      return visitor.template blocks<Q6_K>();
    case TensorType::kF32:
      return visitor.floats(4);
    case TensorType::kF16:
      return visitor.floats(2);
    case TensorType::kBF16:
      return visitor.floats(2);
  }
  __builtin_trap();
}

struct RowBytes {
  std::ptrdiff_t k;

  template <typename Type>
  std::ptrdiff_t blocks() const {
    return k / Type::kValues * Type::kBytes;
  }

  std::ptrdiff_t floats(std::ptrdiff_t bytes) const { return k * bytes; }
};

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

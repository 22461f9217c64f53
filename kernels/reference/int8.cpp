// The plain form of rotation, rounding and int8 layers. The fast ones must give the same bits, so
// the order of operations here is the contract's.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/reference/reference.hpp"

namespace troupe::kernels::reference {

namespace {

void rotate64(float* block) {
  for (int stride = 1; stride < kInt8Depth; stride *= 2) {
    for (int i = 0; i < kInt8Depth; ++i) {
      if ((i & stride) != 0) continue;
      const float a = block[i];
      const float b = block[i + stride];
      block[i] = a + b;
      block[i + stride] = a - b;
    }
  }
  for (int i = 0; i < kInt8Depth; ++i) block[i] *= 0.125F;
}

// Elements i, i + step … of `count` blocks.
void mix(float* first, std::int32_t step, std::int32_t count) {
  float& a = first[0];
  float& b = first[step];
  if (count == 2) {
    const float sum = a + b;
    b = (a - b) * kMixPair;
    a = sum * kMixPair;
    return;
  }
  float& c = first[2 * step];
  const float sum = (a + b + c) * kMixTriple;
  a = a - sum;
  b = b - sum;
  c = c - sum;
}

}  // namespace

void rotate(float* row, std::int32_t padded) {
  for (std::int32_t i = 0; i < padded; i += kInt8Depth) rotate64(row + i);
  std::int32_t step = kInt8Depth;
  for (const std::int32_t count : {2, 3}) {
    for (; padded % (count * step) == 0; step *= count) {
      for (std::int32_t i = 0; i < padded; ++i) {
        if (i / step % count == 0) mix(row + i, step, count);
      }
    }
  }
}

float quantize_row(const float* x, std::int32_t count, std::int8_t* q) {
  // As integers, magnitudes order like floats, with infinity and not-a-number above all of them.
  std::uint32_t highest = 0;
  for (std::int32_t i = 0; i < count; ++i)
    highest = std::max(highest, std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFU);
  const auto largest = std::bit_cast<float>(highest);
  if (!(largest >= kQuantizeLeast && largest <= std::numeric_limits<float>::max())) {
    std::fill_n(q, count, std::int8_t{0});
    return largest < kQuantizeLeast ? 0.0F : std::numeric_limits<float>::quiet_NaN();
  }
  const float inverse = 127.0F / largest;
  for (std::int32_t i = 0; i < count; ++i)
    q[i] = static_cast<std::int8_t>(std::nearbyint(x[i] * inverse));
  return largest / 127.0F;
}

void quantize(const Quantize& op, std::int32_t begin, std::int32_t end, float* scratch) {
  const std::int32_t padded = int8_padded_k(op.k);
  for (std::int32_t r = begin; r < end; ++r) {
    const std::ptrdiff_t row = std::ptrdiff_t{r} * op.x_stride;
    const float* x = op.x + row;
    if (op.gated != nullptr) {
      for (std::int32_t i = 0; i < op.k; ++i)
        scratch[i] = std::bit_cast<float>(std::uint32_t{op.gated[row + i]} << 16);
    } else if (op.norm != nullptr) {
      const RmsNorm norm{
          .x = x, .weight = op.norm, .y = scratch, .rows = 1, .k = op.k, .epsilon = op.epsilon};
      rms_norm(norm, 0, 1);
    } else {
      std::copy_n(x, op.k, scratch);
    }
    std::fill(scratch + op.k, scratch + padded, 0.0F);
    rotate(scratch, padded);
    op.scale[r] = quantize_row(scratch, padded, op.q + std::ptrdiff_t{r} * padded);
  }
}

namespace {

float column_value(const Int8Linear& op, std::int32_t row, std::int32_t column) {
  const Int8Weights& w = op.weights;
  const std::int32_t padded = int8_padded_k(w.k);
  const std::int8_t* x = op.x + std::ptrdiff_t{row} * padded;
  std::int32_t sum = 0;
  for (std::int32_t i = 0; i < padded; ++i) sum += x[i] * w.tiles[int8_index(padded, column, i)];
  const float value = static_cast<float>(sum) * (op.x_scale[row] * w.scales[column]);
  return op.bias != nullptr ? value + op.bias[column] : value;
}

}  // namespace

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float*) {
  for (std::int32_t r = 0; r < op.rows; ++r) {
    const std::ptrdiff_t row = std::ptrdiff_t{r} * op.y_stride;
    for (std::int32_t j = begin; j < end; ++j) {
      const float value = column_value(op, r, j);
      if (op.output != Int8Output::kSiluMul) {
        float& y = op.y[row + j];
        y = op.output == Int8Output::kAdd ? y + value : value;
      } else if (j % kInt8Columns < 16) {
        const auto gate = static_cast<double>(value);
        const auto up = static_cast<double>(column_value(op, r, j + 16));
        op.gated[row + j / kInt8Columns * 16 + j % 16] =
            to_bf16(static_cast<float>(gate / (1 + std::exp(-gate)) * up));
      }
    }
  }
}

}  // namespace troupe::kernels::reference

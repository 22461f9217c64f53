#include "model/grouped_packer.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/reference/reference.hpp"

namespace troupe::model {
namespace {

using kernels::TensorType;

constexpr std::size_t kGroup = kernels::kGroupValues;

std::size_t index(std::int32_t i) { return static_cast<std::size_t>(i); }

// IEEE 754 binary16 of a finite x, to nearest, ties to even; beyond its range the largest number.
std::uint16_t half_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  const float magnitude = std::abs(x);
  if (magnitude >= 65504.0F) return sign | 0x7BFFU;
  if (magnitude < 0x1p-14F)  // a multiple of the least denormal
    return sign | static_cast<std::uint16_t>(std::nearbyint(magnitude * 0x1p24F));
  const std::uint32_t normal = std::bit_cast<std::uint32_t>(magnitude) - (112U << 23);
  return sign | static_cast<std::uint16_t>((normal + 0xFFFU + (normal >> 13 & 1U)) >> 13);
}

float float_of(std::uint16_t half) {
  float value = 0;
  std::array<std::byte, 2> bytes{};
  std::memcpy(bytes.data(), &half, sizeof half);
  kernels::reference::expand_row(TensorType::kF16, bytes.data(), 1, &value);
  return value;
}

// w = scale · q + minimum.
struct Grid {
  float scale = 0;
  float minimum = 0;
};

float largest_q(std::int32_t bits) { return static_cast<float>((1 << bits) - 1); }

float q_of(float value, const Grid& grid, float most) {
  if (grid.scale == 0.0F) return 0.0F;
  const float q = std::nearbyint((value - grid.minimum) / grid.scale);
  return q > 0.0F ? std::min(q, most) : 0.0F;  // not-a-number becomes 0
}

// Types whose blocks begin with scales, and whose quants all become q = 0 when their bytes do.
struct BlockType {
  TensorType type;
  std::int32_t bits;
  std::size_t quants_at;  // in the block
  std::byte most;         // the byte whose quants are the largest
  float steps;            // of the grid, from quants of zeros to the largest ones
};

// IQ4_NL chooses its 16 values out of 241 equal steps, from -127 to 113.
constexpr BlockType kBlockTypes[] = {{TensorType::kQ4_0, 4, 2, std::byte{0xFF}, 15},
                                     {TensorType::kQ4_1, 4, 4, std::byte{0xFF}, 15},
                                     {TensorType::kQ4_K, 4, 16, std::byte{0xFF}, 15},
                                     {TensorType::kQ5_0, 5, 2, std::byte{0xFF}, 31},
                                     {TensorType::kQ5_1, 5, 4, std::byte{0xFF}, 31},
                                     {TensorType::kQ5_K, 5, 16, std::byte{0xFF}, 31},
                                     {TensorType::kQ8_0, 8, 2, std::byte{127}, 127},
                                     {TensorType::kIQ4_NL, 8, 2, std::byte{0xFF}, 240}};

const BlockType* block_type(TensorType type) {
  const auto* found = std::ranges::find(kBlockTypes, type, &BlockType::type);
  return found == std::end(kBlockTypes) ? nullptr : found;
}

// A row with all quants replaced: what the format makes of it tells its grid.
std::vector<float> with_quants(const Matrix& from,
                               const BlockType& type,
                               const std::byte* row,
                               std::byte quants) {
  const std::size_t block = kernels::block_shape(type.type).bytes;
  const std::size_t bytes = kernels::row_bytes(type.type, from.columns);
  std::vector<std::byte> copy(row, row + bytes);
  for (std::size_t at = 0; at < bytes; at += block)
    std::fill_n(copy.begin() + static_cast<std::ptrdiff_t>(at + type.quants_at),
                block - type.quants_at,
                quants);
  std::vector<float> values(index(from.columns));
  kernels::reference::expand_row(type.type, copy.data(), from.columns, values.data());
  return values;
}

// The grids that the blocks of a row state, one for each group.
std::vector<Grid> stated_grids(const Matrix& from, const BlockType& type, const std::byte* row) {
  const bool is_signed = type.bits == 8;
  const std::vector<float> least = with_quants(from, type, row, std::byte{0});
  const std::vector<float> most = with_quants(from, type, row, type.most);
  std::vector<Grid> grids;
  for (std::size_t i = 0; i < least.size(); i += kGroup) {
    const float scale = (most[i] - least[i]) / type.steps;
    grids.push_back({scale, is_signed ? -128.0F * scale : least[i]});
  }
  return grids;
}

Grid rounded(const Grid& grid) {
  return {float_of(half_of(grid.scale)), float_of(half_of(grid.minimum))};
}

float squared_error(std::span<const float> values, const Grid& grid, float most) {
  float error = 0;
  for (const float value : values) {
    const float miss = grid.scale * q_of(value, grid, most) + grid.minimum - value;
    error += miss * miss;
  }
  return error;
}

// From the whole range of a group to three quarters of it: clipping the ends costs less than a
// coarse grid.
Grid fitted_grid(std::span<const float> values, std::int32_t bits) {
  const float most = largest_q(bits);
  const auto [low, high] = std::ranges::minmax(values);
  Grid best;
  float least = std::numeric_limits<float>::infinity();
  for (const float share : {1.0F, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F}) {
    const float scale = (high - low) * share / most;
    const Grid grid = rounded({scale, (low + high - scale * most) / 2});
    const float error = squared_error(values, grid, most);
    if (error >= least) continue;
    least = error;
    best = grid;
    if (bits == 8) break;  // the whole range is fine enough
  }
  return best;
}

void store_q(std::byte* block, std::int32_t bits, std::int32_t column, std::size_t k, unsigned q) {
  const bool second = column % kernels::kGroupedColumns >= 16;
  const std::size_t at = kernels::grouped_byte_at(column, static_cast<std::int32_t>(k));
  if (bits == 8) {
    block[(second ? 1024 : 0) + at] = static_cast<std::byte>(q);
    return;
  }
  block[at] |= static_cast<std::byte>(second ? (q & 15U) << 4 : q & 15U);
  if (q > 15) block[1024 + at / 64 * 16 + (second ? 8 : 0) + at % 64 / 8] |= std::byte{1} << at % 8;
}

void pack_row(const Matrix& from, std::int32_t column, std::span<std::byte> blocks) {
  const std::int32_t bits = grouped_bits(from.type);
  const std::int32_t padded = kernels::grouped_padded_k(from.columns);
  const std::byte* row = from.data + index(column) * kernels::row_bytes(from.type, from.columns);
  std::vector<float> values(index(from.columns));
  kernels::reference::expand_row(from.type, row, from.columns, values.data());
  std::vector<Grid> stated;
  if (const BlockType* type = block_type(from.type)) stated = stated_grids(from, *type, row);
  for (std::size_t at = 0; at < values.size(); at += kGroup) {
    const auto group = std::span(values).subspan(at, std::min(kGroup, values.size() - at));
    const Grid grid = stated.empty() ? fitted_grid(group, bits) : rounded(stated[at / kGroup]);
    std::byte* block =
        &blocks[kernels::grouped_block_at(bits, padded, column, static_cast<std::int32_t>(at))];
    for (std::size_t i = 0; i < group.size(); ++i)
      store_q(block,
              bits,
              column,
              at + i,
              static_cast<unsigned>(q_of(group[i], grid, largest_q(bits))));
    const std::uint16_t scale = half_of(grid.scale);
    const std::uint16_t minimum = half_of(grid.minimum);
    const std::size_t lane = at / kGroup % 2 * 64 + index(column % kernels::kGroupedColumns) * 2;
    std::memcpy(block + kernels::grouped_scales_at(bits) + lane, &scale, sizeof scale);
    std::memcpy(block + kernels::grouped_minima_at(bits) + lane, &minimum, sizeof minimum);
  }
}

}  // namespace

std::int32_t grouped_bits(kernels::TensorType type) {
  if (const BlockType* found = block_type(type)) return found->bits;
  if (type == TensorType::kQ6_K) return 8;
  return type == TensorType::kQ3_K ? 5 : 4;
}

void pack_grouped(const Matrix& from, kernels::Device& device, std::span<std::byte> blocks) {
  const std::int32_t panels = kernels::grouped_padded_n(from.rows) / kernels::kGroupedColumns;
  device.parallel_for(static_cast<std::uint32_t>(panels), [&](std::uint32_t panel, int) {
    const std::int32_t begin = static_cast<std::int32_t>(panel) * kernels::kGroupedColumns;
    const std::int32_t end = std::min(from.rows, begin + kernels::kGroupedColumns);
    for (std::int32_t column = begin; column < end; ++column) pack_row(from, column, blocks);
  });
}

}  // namespace troupe::model

#include "kernels/cpu/tiling.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "config/check.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels {
namespace {

// A tile's weights: claiming it costs little beside them, and a thread that is descheduled holds
// little.
constexpr std::size_t kTileBytes = 64 * 1024;
constexpr std::int32_t kPanelsMax = 64;

std::int32_t rows_of(const Linear& op) { return op.rows; }

std::int32_t rows_of(const Int8Linear& op) { return op.rows; }

std::int32_t rows_of(const GroupedLinear& op) { return op.rows; }

std::int32_t rows_of(const Bf16Linear& op) { return op.rows; }

std::int32_t columns_of(const Linear& op) { return op.n; }

std::int32_t columns_of(const Int8Linear& op) { return op.weights.n; }

std::int32_t columns_of(const GroupedLinear& op) { return op.weights.n; }

std::int32_t columns_of(const Bf16Linear& op) { return op.n; }

std::int32_t depth_of(const Linear& op) { return op.k; }

std::int32_t depth_of(const Int8Linear& op) { return op.weights.k; }

std::int32_t depth_of(const Bf16Linear& op) { return op.k; }

template <typename Layer>
std::int32_t deepest_of(std::span<const Layer> layers) {
  std::int32_t k = 0;
  for (const Layer& layer : layers) k = std::max(k, depth_of(layer));
  return k;
}

std::int32_t divide_up(std::int32_t a, std::int32_t b) { return (a + b - 1) / b; }

// Whole panels of about so many bytes of weights.
std::int32_t panels_of(std::size_t panel_bytes, std::size_t tile_bytes = kTileBytes) {
  const std::size_t panels = tile_bytes / std::max<std::size_t>(panel_bytes, 1);
  return static_cast<std::int32_t>(std::clamp<std::size_t>(panels, 1, kPanelsMax));
}

// Rows [begin, end) of a layer.
Int8Linear part_of(const Int8Linear& op, std::int32_t begin, std::int32_t end) {
  Int8Linear part = op;
  part.x += std::ptrdiff_t{begin} * int8_padded_k(op.weights.k);
  part.x_scale += begin;
  const std::ptrdiff_t outputs = std::ptrdiff_t{begin} * op.y_stride;
  if (op.output == Int8Output::kSiluMul) {
    part.gated += outputs;
  } else {
    part.y += outputs;
  }
  part.rows = end - begin;
  return part;
}

Bf16Linear part_of(const Bf16Linear& op, std::int32_t begin, std::int32_t end) {
  Bf16Linear part = op;
  part.x += std::ptrdiff_t{begin} * bf16_padded_k(op.k);
  if (op.up != nullptr) {
    part.packed_y += std::ptrdiff_t{begin} * bf16_padded_k(op.n);
  } else {
    part.y += std::ptrdiff_t{begin} * op.n;
  }
  part.rows = end - begin;
  return part;
}

// The others have one tile of rows.
template <typename Layer>
Layer part_of(const Layer& op, std::int32_t begin, std::int32_t end) {
  CHECK(begin == 0 && end == op.rows, "columns alone are shared out");
  return op;
}

}  // namespace

TileShape tile_shape(const Linear& op, int) {
  const std::size_t panel_bytes = kLinearPanelRows * row_bytes(op.type, op.k);
  return {op.rows, panels_of(panel_bytes) * kLinearPanelRows};
}

TileShape tile_shape(const Int8Linear& op, int threads) {
  const std::int32_t k = int8_padded_k(op.weights.k);
  // As many rows as stay in the second cache (2 MB on servers) beside a panel of weights, while all
  // columns pass by them.
  constexpr std::int32_t kCachedBytes = 5 << 18;
  const std::int32_t cached = std::max(kCachedBytes / k / kInt8RowTile, 1) * kInt8RowTile;
  // With fewer, every thread would read all weights for few products; and a head that no cache
  // holds is better read by one thread each part.
  constexpr std::int32_t kRowsOfThread = 64;
  constexpr std::int64_t kSharedBytes = 16 << 20;
  const bool is_shared = std::int64_t{op.weights.n} * k <= kSharedBytes;
  const bool has_own_rows = is_shared && op.rows >= kRowsOfThread * threads;
  // Vector kernels prepare rows of x once for each tile: a fifteenth of the time with 64 kB.
  constexpr std::size_t kTileBytesOfOwnRows = 320 * 1024;
  const std::size_t tile_bytes = has_own_rows ? kTileBytesOfOwnRows : kTileBytes;
  const std::int32_t columns =
      panels_of(static_cast<std::size_t>(kInt8Columns * k), tile_bytes) * kInt8Columns;
  // Fewer tiles than that for each thread would leave some without work.
  constexpr std::int32_t kTilesOfThread = 2;
  const std::int32_t column_tiles = divide_up(op.weights.n, columns);
  const std::int32_t parts =
      has_own_rows ? threads : divide_up(kTilesOfThread * threads, column_tiles);
  const std::int32_t rows = divide_up(divide_up(op.rows, parts), kInt8RowTile) * kInt8RowTile;
  return {std::min(rows, cached), columns};
}

TileShape tile_shape(const GroupedLinear& op, int) {
  const GroupedWeights& w = op.weights;
  return {op.rows, panels_of(grouped_bytes(w.bits, kGroupedColumns, w.k)) * kGroupedColumns};
}

// A few panels when all of x passes by them; for few rows of x about 64 kB of the file. Each thread
// that has rows of its own expands all weights, which takes many rows to pay.
TileShape tile_shape(const Bf16Linear& op, int threads) {
  constexpr std::int32_t kRowsOfThread = 128;
  std::int32_t rows = op.rows;
  if (rows >= kRowsOfThread * threads)
    rows = divide_up(divide_up(rows, threads), 2 * kBf16Tokens) * 2 * kBf16Tokens;
  return {rows, kBf16Panels * bf16_panel_columns(op)};
}

std::int32_t rows_per_tile(std::int32_t k) {
  constexpr std::int32_t kValues = 16384;
  const auto rows = static_cast<std::uint32_t>(std::max(1, kValues / std::max(k, 1)));
  return std::min(32, static_cast<std::int32_t>(std::bit_floor(rows)));
}

template <typename Layer>
LayerTiles<Layer>::LayerTiles(std::span<const Layer> layers, int threads) : layers_(layers) {
  CHECK(layers.size() <= kLayersMax, "layers over one x");
  rows_ = std::max(tile_shape(layers.front(), threads).rows, 1);
  row_tiles_ = divide_up(rows_of(layers.front()), rows_);
  column_tiles_ = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    CHECK(rows_of(layers[i]) == rows_of(layers.front()), "layers share x");
    columns_[i] = tile_shape(layers[i], threads).columns;
    column_tiles_ += divide_up(columns_of(layers[i]), columns_[i]);
  }
}

template <typename Layer>
std::uint32_t LayerTiles<Layer>::count() const {
  return static_cast<std::uint32_t>(row_tiles_ * column_tiles_);
}

template <typename Layer>
LayerTile<Layer> LayerTiles<Layer>::at(std::uint32_t index) const {
  const auto all = static_cast<std::int32_t>(index);
  const std::int32_t row = all / column_tiles_ * rows_;
  std::int32_t tile = all % column_tiles_;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const std::int32_t tiles = divide_up(columns_of(layer), columns_[i]);
    if (tile < tiles) {
      const std::int32_t begin = tile * columns_[i];
      return {part_of(layer, row, std::min(rows_of(layer), row + rows_)),
              begin,
              std::min(columns_of(layer), begin + columns_[i])};
    }
    tile -= tiles;
  }
  CHECK(false, "index is below count()");
}

template class LayerTiles<Linear>;
template class LayerTiles<Int8Linear>;
template class LayerTiles<GroupedLinear>;
template class LayerTiles<Bf16Linear>;

std::int32_t deepest(std::span<const Linear> layers) { return deepest_of(layers); }

std::int32_t deepest(std::span<const Int8Linear> layers) { return deepest_of(layers); }

std::int32_t deepest(std::span<const Bf16Linear> layers) { return deepest_of(layers); }

}  // namespace troupe::kernels

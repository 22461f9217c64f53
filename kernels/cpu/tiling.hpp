// How an operation is cut into the tiles that threads share out. Tiles decide speed alone: every
// output has the same bits in any of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/bf16_linear.hpp"
#include "kernels/grouped_linear.hpp"
#include "kernels/int8_linear.hpp"
#include "kernels/linear.hpp"

namespace troupe::kernels {

struct TileShape {
  std::int32_t rows;
  std::int32_t columns;
};

// Of a layer that so many threads share. Many rows of x are shared out by rows, so that a thread
// goes on with the rows that it computed last; few by columns, so that weights are read once.
TileShape tile_shape(const Linear& op, int threads);
TileShape tile_shape(const Int8Linear& op, int threads);
TileShape tile_shape(const GroupedLinear& op, int threads);
TileShape tile_shape(const Bf16Linear& op, int threads);

// Of an operation on each of its rows of k values: a power of two, at most 32, so that threads that
// share out rows have nearly the same ones as in tiles of a layer.
std::int32_t rows_per_tile(std::int32_t k);

// A part of a layer's rows, and columns of it.
template <typename Layer>
struct LayerTile {
  Layer layer;
  std::int32_t begin;
  std::int32_t end;
};

// Tiles of layers over one x, in order of rows.
template <typename Layer>
class LayerTiles {
 public:
  // At most kLayersMax, for q, k and v or gate and up.
  LayerTiles(std::span<const Layer> layers, int threads);

  std::uint32_t count() const;

  LayerTile<Layer> at(std::uint32_t index) const;

 private:
  static constexpr std::size_t kLayersMax = 4;

  std::span<const Layer> layers_;
  std::array<std::int32_t, kLayersMax> columns_{};  // of a tile of each layer
  std::int32_t rows_;                               // of a tile
  std::int32_t row_tiles_;                          // that share columns
  std::int32_t column_tiles_;                       // of all layers
};

// The depth of the deepest.
std::int32_t deepest(std::span<const Linear> layers);
std::int32_t deepest(std::span<const Int8Linear> layers);
std::int32_t deepest(std::span<const Bf16Linear> layers);

}  // namespace troupe::kernels

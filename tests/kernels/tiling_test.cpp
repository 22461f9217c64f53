// That tiles cover every output of a layer once, and that many rows are shared out by rows.
#include "kernels/cpu/tiling.hpp"

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <deque>
#include <vector>

namespace troupe::kernels {
namespace {

// Layers over one x of `rows` rows and 576 values.
struct Layers {
  Layers(std::int32_t rows, std::initializer_list<std::int32_t> widths)
      : x(static_cast<std::size_t>(rows) * 576), scales(static_cast<std::size_t>(rows)) {
    for (const std::int32_t n : widths) {
      outputs.emplace_back(static_cast<std::size_t>(rows * n));
      Int8Linear op;
      op.weights.n = n;
      op.weights.k = 576;
      op.x = x.data();
      op.x_scale = scales.data();
      op.y = outputs.back().data();
      op.rows = rows;
      op.y_stride = n;
      ops.push_back(op);
    }
  }

  std::vector<std::int8_t> x;
  std::vector<float> scales;
  std::deque<std::vector<float>> outputs;
  std::vector<Int8Linear> ops;
};

// How often tiles write each output of each layer: [layers][rows · n].
std::vector<std::vector<int>> visits(const Layers& all, int threads) {
  const std::span<const Int8Linear> layers = all.ops;
  const LayerTiles<Int8Linear> tiles(layers, threads);
  std::vector<std::vector<int>> counts;
  for (const Int8Linear& layer : layers)
    counts.emplace_back(static_cast<std::size_t>(layer.rows * layer.weights.n));
  for (std::uint32_t i = 0; i < tiles.count(); ++i) {
    const auto tile = tiles.at(i);
    std::size_t which = 0;
    while (layers[which].weights.n != tile.layer.weights.n) ++which;
    const auto first =
        static_cast<std::int32_t>(tile.layer.y - layers[which].y) / tile.layer.y_stride;
    for (std::int32_t row = first; row < first + tile.layer.rows; ++row) {
      for (std::int32_t column = tile.begin; column < tile.end; ++column)
        ++counts[which][static_cast<std::size_t>(row * tile.layer.weights.n + column)];
    }
  }
  return counts;
}

BOOST_AUTO_TEST_SUITE(tiling)

BOOST_AUTO_TEST_CASE(every_output_of_every_layer_is_in_one_tile) {
  for (const int threads : {1, 2, 3, 8}) {
    for (const std::int32_t rows : {1, 7, 63, 128, 129, 300, 1000}) {
      for (const std::vector<int>& counts : visits(Layers(rows, {576, 190, 33}), threads)) {
        for (const int count : counts) BOOST_REQUIRE(count == 1);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(each_of_two_threads_has_half_of_many_rows) {
  const Layers layers(256, {576, 192});
  const LayerTiles<Int8Linear> tiles(layers.ops, 2);
  for (std::uint32_t i = 0; i < tiles.count(); ++i) {
    const auto tile = tiles.at(i);
    BOOST_TEST(tile.layer.rows == 128);
    BOOST_TEST(tile.layer.x_scale - layers.scales.data() == (i < tiles.count() / 2 ? 0 : 128));
  }
}

BOOST_AUTO_TEST_CASE(few_rows_are_in_one_tile_so_that_weights_are_read_once) {
  const Layers layers(100, {4096});
  const LayerTiles<Int8Linear> tiles(layers.ops, 2);
  BOOST_TEST(tiles.count() > 2U);
  for (std::uint32_t i = 0; i < tiles.count(); ++i) BOOST_TEST(tiles.at(i).layer.rows == 100);
}

BOOST_AUTO_TEST_CASE(many_threads_find_a_tile_each_in_a_narrow_layer) {
  const Layers layers(200, {576});
  for (const int threads : {4, 8, 16, 32}) {
    const LayerTiles<Int8Linear> tiles(layers.ops, threads);
    BOOST_TEST(tiles.count() >= static_cast<std::uint32_t>(threads));
  }
}

BOOST_AUTO_TEST_CASE(tiles_of_rows_are_powers_of_two_and_never_empty) {
  BOOST_TEST(rows_per_tile(64) == 32);
  BOOST_TEST(rows_per_tile(576) == 16);
  BOOST_TEST(rows_per_tile(1536) == 8);
  BOOST_TEST(rows_per_tile(16384) == 1);
  BOOST_TEST(rows_per_tile(100000) == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::kernels

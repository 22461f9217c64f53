#include "tests/kernels/emulated_tiles.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/cpu/cpu_features.hpp"

namespace troupe::kernels {

// Takes the place of kernels/cpu/tile_permission.cpp.
bool may_use_tiles() { return cpu_has_vnni() && cpu_has_bf16(); }

namespace emulated_tiles {
namespace {

constexpr int kTiles = 8;
constexpr int kRows = 16;
constexpr int kRowBytes = 64;

struct Tile {
  int rows = 0;
  int row_bytes = 0;
  alignas(64) std::byte values[kRows][kRowBytes] = {};
};

struct Unit {
  int start_row = 0;  // of the next load or store
  std::array<Tile, kTiles> tiles;
};

thread_local Unit unit;
std::atomic<std::uint64_t> products = 0;

void tell(const char* what) { std::fprintf(stderr, "emulated tiles: %s\n", what); }

Fault on_fault = tell;

void require(bool condition, const char* what) {
  if (condition) return;
  on_fault(what);
  std::abort();
}

Tile& configured(int number) {
  require(number >= 0 && number < kTiles, "#UD: there are eight tiles");
  Tile& tile = unit.tiles[static_cast<std::size_t>(number)];
  require(tile.rows > 0, "#UD: a tile that was not configured");
  return tile;
}

// A tile whose rows are words.
Tile& of_words(int number) {
  Tile& tile = configured(number);
  require(tile.row_bytes % 4 == 0, "#UD: rows are no multiple of 4 bytes");
  return tile;
}

// A tile between which and memory rows pass from the start row on.
Tile& movable(int number) {
  Tile& tile = of_words(number);
  require(unit.start_row < tile.rows, "#UD: the start row is beyond the tile");
  return tile;
}

using Config = std::array<std::uint8_t, 64>;

bool is_zero(const Config& config, std::size_t begin, std::size_t end) {
  return std::all_of(config.begin() + static_cast<std::ptrdiff_t>(begin),
                     config.begin() + static_cast<std::ptrdiff_t>(end),
                     [](std::uint8_t byte) { return byte == 0; });
}

Tile tile_of(const Config& config, std::size_t number) {
  std::uint16_t row_bytes = 0;
  std::memcpy(&row_bytes, config.data() + 16 + 2 * number, sizeof row_bytes);
  Tile tile;
  tile.rows = config[48 + number];
  tile.row_bytes = row_bytes;
  require(tile.rows <= kRows, "#GP: more than 16 rows");
  require(tile.row_bytes <= kRowBytes, "#GP: rows of more than 64 bytes");
  require((tile.rows == 0) == (tile.row_bytes == 0), "#GP: rows or bytes alone are zero");
  return tile;
}

template <typename T>
std::array<T, kRowBytes / sizeof(T)> row_of(const Tile& tile, int row) {
  std::array<T, kRowBytes / sizeof(T)> values;
  std::memcpy(values.data(), tile.values[row], kRowBytes);
  return values;
}

// The tiles of a product: sums [m][n], left [m][k], right [k][n], words of 4 bytes.
struct Product {
  Product(int sums_number, int left_number, int right_number)
      : sums(of_words(sums_number)), left(of_words(left_number)), right(of_words(right_number)) {
    require(&sums != &left && &sums != &right && &left != &right, "#UD: one tile twice");
    require(sums.rows == left.rows, "#UD: sums and the left operand differ in rows");
    require(sums.row_bytes == right.row_bytes, "#UD: sums and the right operand differ in columns");
    require(left.row_bytes == 4 * right.rows, "#UD: left columns and right rows differ");
    unit.start_row = 0;
    products.fetch_add(1, std::memory_order_relaxed);
  }

  Tile& sums;
  const Tile& left;
  const Tile& right;
};

// Denormals are zero, in operands and in results, whatever the thread's mode.
float flushed(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0F, x) : x; }

float bf16(std::uint16_t bits) {
  const std::uint32_t word = std::uint32_t{bits} << 16;
  float x = 0;
  std::memcpy(&x, &word, sizeof x);
  return flushed(x);
}

}  // namespace

Fault set_fault(Fault fault) { return std::exchange(on_fault, fault); }

std::uint64_t products_done() { return products.load(std::memory_order_relaxed); }

void configure(const void* from) {
  Config config;
  std::memcpy(config.data(), from, config.size());
  require(config[0] <= 1, "#GP: palettes are 0 and 1");
  if (config[0] == 0) return release();
  require(is_zero(config, 2, 16) && is_zero(config, 32, 48) && is_zero(config, 56, 64),
          "#GP: a reserved byte is not zero");
  Unit next;
  next.start_row = config[1];
  for (std::size_t number = 0; number < kTiles; ++number) {
    next.tiles[number] = tile_of(config, number);
  }
  unit = next;
}

void release() { unit = Unit{}; }

void clear(int number) {
  std::memset(configured(number).values, 0, sizeof Tile::values);
  unit.start_row = 0;
}

// Rows beyond the tile's and bytes beyond a row's become zero.
void load(int number, const void* from, std::ptrdiff_t stride) {
  Tile& tile = movable(number);
  for (int row = unit.start_row; row < kRows; ++row) {
    std::memset(tile.values[row], 0, kRowBytes);
    if (row >= tile.rows) continue;
    std::memcpy(tile.values[row],
                static_cast<const std::byte*>(from) + row * stride,
                static_cast<std::size_t>(tile.row_bytes));
  }
  unit.start_row = 0;
}

void store(int number, void* to, std::ptrdiff_t stride) {
  const Tile& tile = movable(number);
  for (int row = unit.start_row; row < tile.rows; ++row) {
    std::memcpy(static_cast<std::byte*>(to) + row * stride,
                tile.values[row],
                static_cast<std::size_t>(tile.row_bytes));
  }
  unit.start_row = 0;
}

void multiply_int8(int sums_number, int left_number, int right_number) {
  const auto [sums, left, right] = Product(sums_number, left_number, right_number);
  for (int m = 0; m < sums.rows; ++m) {
    auto sum = row_of<std::int32_t>(sums, m);
    const auto x = row_of<std::int8_t>(left, m);
    for (int k = 0; k < right.rows; ++k) {
      const auto w = row_of<std::int8_t>(right, k);
      for (std::size_t n = 0; n < sum.size(); ++n) {
        for (std::size_t i = 0; i < 4; ++i)
          sum[n] += x[static_cast<std::size_t>(4 * k) + i] * w[4 * n + i];
      }
    }
    std::memcpy(sums.values[m], sum.data(), static_cast<std::size_t>(sums.row_bytes));
  }
}

// Even and odd values of k have sums of their own, which meet at the end.
void multiply_bf16(int sums_number, int left_number, int right_number) {
  const auto [sums, left, right] = Product(sums_number, left_number, right_number);
  for (int m = 0; m < sums.rows; ++m) {
    auto sum = row_of<float>(sums, m);
    const auto x = row_of<std::uint16_t>(left, m);
    std::array<float, kRowBytes / 4> even = {};
    std::array<float, kRowBytes / 4> odd = {};
    for (int k = 0; k < right.rows; ++k) {
      const auto w = row_of<std::uint16_t>(right, k);
      const float first = bf16(x[static_cast<std::size_t>(2 * k)]);
      const float second = bf16(x[static_cast<std::size_t>(2 * k) + 1]);
      for (std::size_t n = 0; n < sum.size(); ++n) {
        even[n] = flushed(std::fma(first, bf16(w[2 * n]), even[n]));
        odd[n] = flushed(std::fma(second, bf16(w[2 * n + 1]), odd[n]));
      }
    }
    for (std::size_t n = 0; n < sum.size(); ++n)
      sum[n] = flushed(flushed(sum[n]) + flushed(even[n] + odd[n]));
    std::memcpy(sums.values[m], sum.data(), static_cast<std::size_t>(sums.row_bytes));
  }
}

}  // namespace emulated_tiles
}  // namespace troupe::kernels

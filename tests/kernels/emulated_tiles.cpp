#include "tests/kernels/emulated_tiles.hpp"

#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

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

thread_local std::array<Tile, kTiles> unit;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "emulated tiles: %s\n", what);
  std::abort();
}

Tile& configured(int number) {
  require(number >= 0 && number < kTiles, "there are eight tiles");
  Tile& tile = unit[static_cast<std::size_t>(number)];
  require(tile.rows > 0, "a tile that was not configured");
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
      : sums(configured(sums_number)),
        left(configured(left_number)),
        right(configured(right_number)) {
    require(&sums != &left && &sums != &right && &left != &right, "one tile twice in a product");
    require(sums.rows == left.rows, "sums and the left operand differ in rows");
    require(sums.row_bytes == right.row_bytes, "sums and the right operand differ in columns");
    require(left.row_bytes == 4 * right.rows, "left columns and right rows differ");
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

void configure(const void* config) {
  std::array<std::uint8_t, 64> bytes;
  std::memcpy(bytes.data(), config, bytes.size());
  require(bytes[0] == 1, "palette 1 is the only one");
  for (int number = 0; number < kTiles; ++number) {
    Tile& tile = unit[static_cast<std::size_t>(number)];
    std::uint16_t row_bytes = 0;
    std::memcpy(&row_bytes, bytes.data() + 16 + 2 * number, sizeof row_bytes);
    tile = Tile{};
    tile.rows = bytes[static_cast<std::size_t>(48 + number)];
    tile.row_bytes = row_bytes;
    require(tile.rows <= kRows && tile.row_bytes <= kRowBytes, "a tile has 16 rows of 64 bytes");
    require((tile.rows == 0) == (tile.row_bytes == 0), "a tile of rows or columns only");
  }
}

void release() { unit.fill(Tile{}); }

void clear(int tile) { std::memset(configured(tile).values, 0, sizeof Tile::values); }

void load(int number, const void* from, std::ptrdiff_t stride) {
  clear(number);
  Tile& tile = configured(number);
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(tile.values[row],
                static_cast<const std::byte*>(from) + row * stride,
                static_cast<std::size_t>(tile.row_bytes));
  }
}

void store(int number, void* to, std::ptrdiff_t stride) {
  const Tile& tile = configured(number);
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(static_cast<std::byte*>(to) + row * stride,
                tile.values[row],
                static_cast<std::size_t>(tile.row_bytes));
  }
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

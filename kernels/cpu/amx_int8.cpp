// Int8 layers on the tile unit: 32 rows × 32 columns of sums in four tiles, fed by two tiles of x
// and two of weights for each 64 values of k. Source of the instructions: Intel 64 and IA-32
// manual, volume 1, chapter 18.
#include <immintrin.h>

#include "kernels/cpu/avx512_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::amx {

#include "kernels/cpu/body/int8_finish.hpp"
#include "kernels/cpu/body/tile_unit.hpp"

namespace {

inline void finish_rows(const Int8Linear& op,
                        std::int32_t row,
                        std::int32_t rows,
                        std::int32_t column,
                        const std::int32_t* sums) {  // [rows, 32]
  for (std::int32_t r = 0; r < rows; ++r) finish_panel(op, row + r, column, sums + r * 32);
}

// Asks for the 2 kB of weights that come some steps later: the hardware's prefetcher stops at
// pages.
inline void fetch_ahead(const std::int8_t* w) {
  constexpr std::ptrdiff_t kAhead = 8192;
#pragma GCC unroll 32
  for (int line = 0; line < 32; ++line) __builtin_prefetch(w + kAhead + line * 64, 0, 3);
}

// Up to 16 rows against one panel. kFetch: the weights are not in the cache yet.
template <bool kFetch>
inline void panel16(const Int8Linear& op,
                    std::int32_t row,
                    std::int32_t rows,
                    std::int32_t column,
                    std::int32_t* sums) {
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  const std::int8_t* x = op.x + row * padded;
  const std::int8_t* w = op.weights.tiles + column * padded;
  _tile_zero(0);
  _tile_zero(1);
  for (std::ptrdiff_t k = 0; k < padded; k += 64, w += 2048) {
    if (kFetch) fetch_ahead(w);
    _tile_loadd(4, x + k, padded);
    _tile_loadd(6, w, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, w + 1024, 64);
    _tile_dpbssd(1, 4, 7);
  }
  _tile_stored(0, sums, 128);
  _tile_stored(1, sums + 16, 128);
  finish_rows(op, row, rows, column, sums);
}

// 17 to 32 rows against one panel.
template <bool kFetch>
inline void panel32(const Int8Linear& op,
                    std::int32_t row,
                    std::int32_t rows,
                    std::int32_t column,
                    std::int32_t* sums) {
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  const std::int8_t* x = op.x + row * padded;
  const std::int8_t* lower = x + kTileRows * padded;
  const std::int8_t* w = op.weights.tiles + column * padded;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::ptrdiff_t k = 0; k < padded; k += 64, w += 2048) {
    if (kFetch) fetch_ahead(w);
    _tile_loadd(4, x + k, padded);
    _tile_loadd(6, w, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, w + 1024, 64);
    _tile_dpbssd(1, 4, 7);
    _tile_loadd(5, lower + k, padded);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_stored(0, sums, 128);
  _tile_stored(1, sums + 16, 128);
  _tile_stored(2, sums + 512, 128);
  _tile_stored(3, sums + 528, 128);
  finish_rows(op, row, rows, column, sums);
}

}  // namespace

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  constexpr std::int32_t kVectorRows = 4;  // so few rows would leave three quarters of a tile empty
  if (op.rows <= kVectorRows) return vnni::int8_linear(op, begin, end, scratch);
  const TileUnit unit;
  alignas(64) std::int32_t sums[2][kInt8RowTile * kInt8Columns];
  int flip = 0;  // so that a store need not wait for the reads of the last one
  for (std::int32_t column = begin; column < end; column += kInt8Columns) {
    for (std::int32_t row = 0; row < op.rows; row += kInt8RowTile, flip ^= 1) {
      const std::int32_t rows = op.rows - row < kInt8RowTile ? op.rows - row : kInt8RowTile;
      const auto panel = rows <= kTileRows ? row == 0 ? panel16<true> : panel16<false>
                         : row == 0 ? panel32<true>
                                           : panel32<false>;
      panel(op, row, rows, column, sums[flip]);
    }
  }
}

}  // namespace troupe::kernels::amx

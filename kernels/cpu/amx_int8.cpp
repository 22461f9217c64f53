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

// One panel of weights, its rows of x, and the bytes of weights to ask for beside it: a row block
// of the next panel's, or, while the panel itself comes from memory, what lies 8 kB ahead (the
// hardware's prefetcher stops at pages).
struct PanelBlock {
  const Int8Linear& op;
  std::int32_t row;
  std::int32_t rows;
  std::int32_t column;
  const std::int8_t* fetch;
  std::ptrdiff_t fetch_bytes;  // for each 64 values of k
};

inline void fetch_lines(const std::int8_t*& at, std::ptrdiff_t bytes) {
  for (const std::int8_t* end = at + bytes; at < end; at += 64) __builtin_prefetch(at, 0, 2);
}

// Up to 16 rows.
inline void panel16(const PanelBlock& b, std::int32_t* sums) {
  const std::ptrdiff_t padded = padded_k(b.op.weights.k);
  const std::int8_t* x = b.op.x + b.row * padded;
  const std::int8_t* w = b.op.weights.tiles + b.column * padded;
  const std::int8_t* fetch = b.fetch;
  _tile_zero(0);
  _tile_zero(1);
  for (std::ptrdiff_t k = 0; k < padded; k += 64, w += 2048) {
    fetch_lines(fetch, b.fetch_bytes);
    _tile_loadd(4, x + k, padded);
    _tile_loadd(6, w, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, w + 1024, 64);
    _tile_dpbssd(1, 4, 7);
  }
  _tile_stored(0, sums, 128);
  _tile_stored(1, sums + 16, 128);
  finish_panel(b.op, b.row, b.rows, b.column, sums);
}

// 17 to 32 rows.
inline void panel32(const PanelBlock& b, std::int32_t* sums) {
  const std::ptrdiff_t padded = padded_k(b.op.weights.k);
  const std::int8_t* x = b.op.x + b.row * padded;
  const std::int8_t* lower = x + kTileRows * padded;
  const std::int8_t* w = b.op.weights.tiles + b.column * padded;
  const std::int8_t* fetch = b.fetch;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::ptrdiff_t k = 0; k < padded; k += 64, w += 2048) {
    fetch_lines(fetch, b.fetch_bytes);
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
  finish_panel(b.op, b.row, b.rows, b.column, sums);
}

}  // namespace

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  constexpr std::int32_t kVectorRows = 4;  // so few rows would leave three quarters of a tile empty
  if (op.rows <= kVectorRows) return vnni::int8_linear(op, begin, end, scratch);
  const TileUnit unit;
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  alignas(64) std::int32_t sums[2][kInt8RowTile * kInt8Columns];
  int flip = 0;  // so that a store need not wait for the reads of the last one
  const std::int32_t blocks = (op.rows + kInt8RowTile - 1) / kInt8RowTile;
  // The first panel comes from memory, and every panel when there is but one block of rows.
  constexpr std::ptrdiff_t kAhead = 8192;
  const std::ptrdiff_t slice = (2048 / blocks + 63) / 64 * 64;
  for (std::int32_t column = begin; column < end; column += kInt8Columns) {
    const std::int8_t* panel = op.weights.tiles + column * padded;
    for (std::int32_t block = 0; block < blocks; ++block, flip ^= 1) {
      const std::int32_t row = block * kInt8RowTile;
      const bool cold = blocks == 1 || (column == begin && block == 0);
      const std::int8_t* next = panel + kInt8Columns * padded + block * slice * (padded / 64);
      const PanelBlock b{op,
                         row,
                         op.rows - row < kInt8RowTile ? op.rows - row : kInt8RowTile,
                         column,
                         cold ? panel + kAhead : next,
                         cold ? 2048 : slice};
      if (b.rows <= kTileRows) {
        panel16(b, sums[flip]);
      } else {
        panel32(b, sums[flip]);
      }
    }
  }
}

}  // namespace troupe::kernels::amx

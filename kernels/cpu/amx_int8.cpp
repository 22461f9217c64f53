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

// Rows [begin, end) of a block whose sums are there but not in y. Called between the products of
// the next block, a few rows at a time: the tile unit works on while vectors scale and store.
inline void finish_some(const Int8Linear& op,
                        const PanelRows& done,
                        std::int32_t begin,
                        std::int32_t end) {
  if (end > done.rows) end = done.rows;
  if (begin >= end) return;
  finish_panel(op, {done.row + begin, end - begin, done.column, done.sums + begin * kInt8Columns});
}

// One block of rows against a panel, what came before it, and the bytes of weights to ask for
// beside it: a part of the next panel, or, while the panel itself comes from memory, what lies 8 kB
// ahead (the hardware's prefetcher stops at pages).
struct Block {
  const Int8Linear& op;
  std::int32_t row;
  std::int32_t rows;
  std::int32_t column;
  const PanelRows& before;
  const std::int8_t* fetch;
  std::ptrdiff_t fetch_bytes;  // for each 64 values of k
};

template <bool kLower>
inline void multiply(const Block& b, std::int32_t* sums) {
  const std::ptrdiff_t padded = padded_k(b.op.weights.k);
  const std::int8_t* x = b.op.x + b.row * padded;
  const std::int8_t* lower = x + kTileRows * padded;
  const std::int8_t* w = b.op.weights.tiles + b.column * padded;
  const std::int8_t* fetch = b.fetch;
  const auto steps = static_cast<std::int32_t>(padded / 64);
  const std::int32_t rows_per_step = (kInt8RowTile + steps - 1) / steps;
  _tile_zero(0);
  _tile_zero(1);
  if (kLower) _tile_zero(2);
  if (kLower) _tile_zero(3);
  for (std::int32_t step = 0; step < steps; ++step, w += 2048) {
    for (std::ptrdiff_t i = 0; i < b.fetch_bytes; i += 64) __builtin_prefetch(fetch + i, 0, 2);
    fetch += b.fetch_bytes;
    _tile_loadd(4, x + step * 64, padded);
    _tile_loadd(6, w, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, w + 1024, 64);
    _tile_dpbssd(1, 4, 7);
    if (kLower) _tile_loadd(5, lower + step * 64, padded);
    if (kLower) _tile_dpbssd(2, 5, 6);
    if (kLower) _tile_dpbssd(3, 5, 7);
    finish_some(b.op, b.before, step * rows_per_step, (step + 1) * rows_per_step);
  }
  _tile_stored(0, sums, 128);
  _tile_stored(1, sums + 16, 128);
  if (kLower) _tile_stored(2, sums + 512, 128);
  if (kLower) _tile_stored(3, sums + 528, 128);
}

}  // namespace

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  constexpr std::int32_t kVectorRows = 4;  // so few rows would leave three quarters of a tile empty
  if (op.rows <= kVectorRows) return vnni::int8_linear(op, begin, end, scratch);
  const TileUnit unit;
  const std::ptrdiff_t padded = padded_k(op.weights.k);
  alignas(64) std::int32_t sums[2][kInt8RowTile * kInt8Columns];
  PanelRows before{};
  int flip = 0;
  const std::int32_t blocks = (op.rows + kInt8RowTile - 1) / kInt8RowTile;
  constexpr std::ptrdiff_t kAhead = 8192;
  const std::ptrdiff_t part = (2048 / blocks + 63) / 64 * 64;
  for (std::int32_t column = begin; column < end; column += kInt8Columns) {
    const std::int8_t* panel = op.weights.tiles + column * padded;
    const std::int8_t* next = panel + kInt8Columns * padded;
    for (std::int32_t block = 0; block < blocks; ++block, flip ^= 1) {
      const std::int32_t row = block * kInt8RowTile;
      const std::int32_t rows = op.rows - row < kInt8RowTile ? op.rows - row : kInt8RowTile;
      // The first panel comes from memory, and every panel when there is but one block of rows.
      const bool is_cold = blocks == 1 || (column == begin && block == 0);
      const std::int8_t* fetch = is_cold ? panel + kAhead : next + block * part * (padded / 64);
      const Block work{op, row, rows, column, before, fetch, is_cold ? 2048 : part};
      if (rows <= kTileRows) {
        multiply<false>(work, sums[flip]);
      } else {
        multiply<true>(work, sums[flip]);
      }
      before = {row, rows, column, sums[flip]};
    }
  }
  finish_some(op, before, 0, kInt8RowTile);
}

}  // namespace troupe::kernels::amx

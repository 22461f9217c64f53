// Attention of one tile on the tile unit, over keys and values in BF16 or int8: up to 32 rows at a
// time in two tiles, both products by TDPBF16PS.
#include <immintrin.h>

#include "kernels/cpu/avx512_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::amx {

#include "kernels/cpu/body/attention_part.hpp"
#include "kernels/cpu/body/tile_unit.hpp"

// After that, which it uses.
#include "kernels/cpu/body/rounded_attention.hpp"

namespace {

// A tile load that misses the first cache holds up the products behind it: what comes next is asked
// for before it is needed.
inline void fetch(const std::uint16_t* from, std::int32_t values) {
  const auto* bytes = reinterpret_cast<const char*>(from);
  for (std::int32_t i = 0; i < 2 * values; i += 64) __builtin_prefetch(bytes + i, 0, 3);
}

template <bool kLower>
inline void score_block(const Work& w, std::int32_t block) {
  const std::uint16_t* keys = w.keys(block);
  _tile_zero(0);
  _tile_zero(1);
  if (kLower) _tile_zero(2);
  if (kLower) _tile_zero(3);
  for (std::int32_t d = 0; d < w.padded; d += 32, keys += 2 * kTileValues) {
    const std::uint16_t* q = w.q + d;
    _tile_loadd(4, q, 2L * w.padded);
    _tile_loadd(6, keys, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, keys + kTileValues, 64);
    _tile_dpbf16ps(1, 4, 7);
    if (!kLower) continue;
    _tile_loadd(5, q + 16 * w.padded, 2L * w.padded);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  float* to = w.scores + block * kKvBlockTokens;
  _tile_stored(0, to, kScoreStrideBytes);
  _tile_stored(1, to + 16, kScoreStrideBytes);
  if (!kLower) return;
  _tile_stored(2, to + 16 * kScoreStride, kScoreStrideBytes);
  _tile_stored(3, to + 16 * kScoreStride + 16, kScoreStrideBytes);
}

template <bool kLower>
inline void weigh_values(const Work& w, float* out) {
  for (std::int32_t d = 0; d < w.padded; d += 32) {
    _tile_zero(0);
    _tile_zero(1);
    if (kLower) _tile_zero(2);
    if (kLower) _tile_zero(3);
    for (std::int32_t block = 0; block < w.blocks; ++block) {
      const std::uint16_t* values = w.values(block) + d * 32;
      if (kLower && block + 1 < w.blocks) fetch(w.values(block + 1) + d * 32, 2 * kTileValues);
      _tile_loadd(4, w.numerators(0, block), kScoreStrideBytes);
      _tile_loadd(6, values, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, values + kTileValues, 64);
      _tile_dpbf16ps(1, 4, 7);
      if (!kLower) continue;
      _tile_loadd(5, w.numerators(16, block), kScoreStrideBytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out + d, w.padded * 4);
    _tile_stored(1, out + d + 16, w.padded * 4);
    if (!kLower) continue;
    _tile_stored(2, out + 16 * w.padded + d, w.padded * 4);
    _tile_stored(3, out + 16 * w.padded + d + 16, w.padded * 4);
  }
}

template <bool kLower>
inline void attend_rows(const Work& w, const Part& part) {
  const std::int32_t keys = 32 * w.padded;
  for (std::int32_t block = 0; block < w.blocks; ++block) {
    // In decode values come from memory, too.
    if (block + 1 < w.blocks && !w.is_int8()) fetch(w.keys(block + 1), kLower ? keys : 2 * keys);
    score_block<kLower>(w, block);
  }
  softmax(w, part);
  tiles_read_memory();
  weigh_values<kLower>(w, part.out);
}

inline void attend_split(const TileRows& t, std::int32_t begin, const Part& part, float* scratch) {
  for (std::int32_t first = 0; first < t.rows; first += kAttentionRows) {
    const Work w(t, first, begin, scratch);
    const std::int32_t upper = w.count < kTileRows ? w.count : kTileRows;
    const std::int32_t lower = w.count - upper;
    const TileUnit unit(upper, lower > 0 ? lower : kTileRows);
    const Part rows{part.out + first * w.padded, part.maximum + first, part.sum + first};
    if (w.is_int8()) expand_int8(w);
    tiles_read_memory();
    if (lower > 0) {
      attend_rows<true>(w, rows);
    } else {
      attend_rows<false>(w, rows);
    }
  }
}

}  // namespace

#include "kernels/cpu/body/attention_entry.hpp"

}  // namespace troupe::kernels::amx

// Mixing of whole blocks of a rotated row; see quantize.hpp. Each element has operations of its
// own, so that any vector width gives the same bits. Included by ISA files only.
#pragma once

namespace {

// Elements i of blocks at distance `step` (in floats), for all i of a block.
inline void mix_pair(float* __restrict a, float* __restrict b) {
  for (int i = 0; i < 64; ++i) {
    const float x = a[i];
    const float y = b[i];
    a[i] = (x + y) * kMixPair;
    b[i] = (x - y) * kMixPair;
  }
}

inline void mix_triple(float* __restrict a, float* __restrict b, float* __restrict c) {
  for (int i = 0; i < 64; ++i) {
    const float sum = (a[i] + b[i] + c[i]) * kMixTriple;
    a[i] = a[i] - sum;
    b[i] = b[i] - sum;
    c[i] = c[i] - sum;
  }
}

inline void mix_blocks(float* row, std::int32_t padded) {
  std::int32_t step = 64;
  for (; padded % (2 * step) == 0; step *= 2) {
    for (std::int32_t begin = 0; begin < padded; begin += 2 * step) {
      for (float* a = row + begin; a < row + begin + step; a += 64) mix_pair(a, a + step);
    }
  }
  for (; padded % (3 * step) == 0; step *= 3) {
    for (std::int32_t begin = 0; begin < padded; begin += 3 * step) {
      for (float* a = row + begin; a < row + begin + step; a += 64)
        mix_triple(a, a + step, a + 2 * step);
    }
  }
}

}  // namespace

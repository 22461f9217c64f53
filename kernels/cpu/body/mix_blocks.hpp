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
  const std::int32_t blocks = padded / 64;
  std::int32_t stride = 1;
  for (; blocks % (2 * stride) == 0; stride *= 2) {
    for (std::int32_t block = 0; block < blocks; ++block) {
      if (block / stride % 2 == 0) mix_pair(row + block * 64, row + (block + stride) * 64);
    }
  }
  for (; blocks % (3 * stride) == 0; stride *= 3) {
    for (std::int32_t block = 0; block < blocks; ++block) {
      if (block / stride % 3 == 0)
        mix_triple(row + block * 64, row + (block + stride) * 64, row + (block + 2 * stride) * 64);
    }
  }
}

}  // namespace

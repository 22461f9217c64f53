// FP32 rows into the tile unit's pair order, sixteen tokens at a time.
#include "kernels/cpu/avx512_transpose.hpp"
#include "kernels/cpu/avx512_vector.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::avx512_bf16 {

#include "kernels/cpu/body/elementwise.hpp"

namespace {

// 16 pairs: values k … k + 31 of one row, zeros from `left` on.
inline __m512i pairs_of(const float* row, std::int32_t left) {
  const Vec low = left >= kLanes ? load(row) : load_first(row, left);
  Vec high = zero();
  if (left >= 2 * kLanes) {
    high = load(row + kLanes);
  } else if (left > kLanes) {
    high = load_first(row + kLanes, left - kLanes);
  }
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

inline void pack_tile(const float* x, std::int32_t tokens, std::int32_t k, Bf16* out) {
  const std::ptrdiff_t stride = k;
  for (std::int32_t i = 0; i < k; i += kBf16Depth) {
    if (tokens == 1) {  // already in order
      _mm512_storeu_si512(out + i, pairs_of(x + i, k - i));
      continue;
    }
    __m512i rows[16];
    for (std::int32_t t = 0; t < 16; ++t)
      rows[t] = t < tokens ? pairs_of(x + t * stride + i, k - i) : _mm512_setzero_si512();
    transpose16(rows);
    const __mmask16 mask = static_cast<__mmask16>((1U << tokens) - 1U);
    std::int32_t* pairs = reinterpret_cast<std::int32_t*>(out + std::ptrdiff_t{i} * tokens);
    for (std::int32_t p = 0; p < 16; ++p)
      _mm512_mask_storeu_epi32(pairs + p * tokens, mask, rows[p]);
  }
}

}  // namespace

void pack_bf16(const PackBf16& op, std::int32_t begin, std::int32_t end, float* scratch) {
  const std::ptrdiff_t padded = bf16_padded_k(op.k);
  for (std::int32_t first = begin; first < end; first += kBf16Tokens) {
    const std::int32_t tokens = op.rows - first < kBf16Tokens ? op.rows - first : kBf16Tokens;
    const float* x = op.x + std::ptrdiff_t{first} * op.k;
    if (op.norm_weight != nullptr) {
      const RmsNorm norm{x, op.norm_weight, scratch, tokens, op.k, op.epsilon};
      for (std::int32_t t = 0; t < tokens; ++t) rms_norm_row(norm, t);
      x = scratch;
    }
    pack_tile(x, tokens, op.k, op.out + first * padded);
  }
}

}  // namespace troupe::kernels::avx512_bf16

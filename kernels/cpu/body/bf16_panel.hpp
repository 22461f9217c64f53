// Weights of 32 channels expanded to BF16 in the order in which the tile unit reads them, a panel:
// [steps of k][32 channels][32 values]. Included by amx_bf16.cpp and avx512_bf16_linear.cpp only,
// after bf16_channels.hpp.
#pragma once

namespace {

constexpr std::int32_t kStep = kPanel * kBf16Depth;  // values of a panel in one step of k
constexpr std::int32_t kStretch = 256;               // most values of k that are expanded at a time
constexpr std::int32_t kRowsPerStep = 4;             // rows expanded to one step of the tile unit
constexpr std::ptrdiff_t kRowsAhead = 16;            // weight rows that are asked for in advance

// A stretch of k, whole blocks of every type.
struct Stretch {
  std::int32_t begin;
  std::int32_t count;
};

// Equal stretches of whole tiles; of whole blocks where they have 256 values.
inline std::int32_t stretch_of(std::int32_t k) {
  if (k % 256 == 0) return 256;
  const std::int32_t stretches = (k + kStretch - 1) / kStretch;
  return bf16_padded_k((k + stretches - 1) / stretches);
}

// A stretch of up to 16 rows of weights, into a panel. `meanwhile` is called between rows.
template <typename Meanwhile>
struct ExpandRows {
  const std::byte* weights;  // the first row's stretch
  std::ptrdiff_t row_bytes;
  std::int32_t rows;
  std::int32_t k;  // of the stretch
  TensorType type;
  Bf16* out;
  const Meanwhile& meanwhile;

  template <typename Type>
  void blocks() const {
    for (std::int32_t row = 0; row < rows; ++row) {
      if (row % kRowsPerStep == 0) meanwhile();
      const auto* block = reinterpret_cast<const std::uint8_t*>(weights + row * row_bytes);
      Bf16* at = out + row * kBf16Depth;
      for (std::int32_t i = 0; i < k; i += Type::kValues) {
        Scales scales;
        prefetch<Type>(block + kRowsAhead * row_bytes);
        Type::read_scales(block, scales);
        settle(scales);
        Rounded<Type>::each(
            block, scales, [&](int step, __m512i w) __attribute__((always_inline)) {
              _mm512_store_si512(at + step * kStep, w);
            });
        block += Type::kBytes;
        at += Type::kValues / kBf16Depth * kStep;
      }
    }
  }

  void floats(int bytes) const {
    for (std::int32_t row = 0; row < rows; ++row) {
      const auto* from = reinterpret_cast<const std::uint8_t*>(weights + row * row_bytes);
      Bf16* at = out + row * kBf16Depth;
      for (std::int32_t i = 0; i < k; i += kBf16Depth, from += kBf16Depth * bytes, at += kStep) {
        const Vec low = values(from, k - i);
        _mm512_store_si512(at, round32(low, values(from + kHalf * bytes, k - i - kHalf)));
      }
    }
  }

  Vec values(const std::uint8_t* from, int left) const {
    const int count = at_most_half(left);
    if (type == TensorType::kF16) return widen_f16(from, count);
    if (type == TensorType::kBF16) return widen_bf16(from, count);
    return _mm512_maskz_loadu_ps(first_lanes(count), from);
  }
};

// 16 rows of a matrix from `column` on; those beyond the matrix become zero.
template <typename Meanwhile>
inline void expand_half(TensorType type,
                        const std::byte* weights,
                        const Bf16Linear& op,
                        std::int32_t column,
                        Stretch stretch,
                        Bf16* out,
                        const Meanwhile& meanwhile) {
  const std::int32_t rows = at_most_half(op.n - column);
  for (std::int32_t i = 0; rows < kHalf && i < stretch.count; i += kBf16Depth) {
    for (std::int32_t row = rows; row < kHalf; ++row)
      _mm512_store_si512(out + i / kBf16Depth * kStep + row * kBf16Depth, _mm512_setzero_si512());
  }
  if (rows == 0) return;
  const std::ptrdiff_t bytes = visit_type(type, RowBytes{op.k});
  const std::ptrdiff_t before = visit_type(type, RowBytes{stretch.begin});
  visit_type(
      type,
      ExpandRows<Meanwhile>{
          weights + column * bytes + before, bytes, rows, stretch.count, type, out, meanwhile});
}

// 32 channels, or 16 of the gate over the same 16 of `up`.
template <typename Meanwhile>
inline void expand_panel(const Bf16Linear& op,
                         std::int32_t column,
                         Stretch stretch,
                         Bf16* out,
                         const Meanwhile& meanwhile) {
  expand_half(op.type, op.weights, op, column, stretch, out, meanwhile);
  const bool gated = op.up != nullptr;
  expand_half(gated ? op.up_type : op.type,
              gated ? op.up : op.weights,
              op,
              gated ? column : column + kHalf,
              stretch,
              out + kHalf * kBf16Depth,
              meanwhile);
}

// Calls visit(stretch) for all of k. Rows of a panel lie 2 kB apart from step to step, so a whole
// row of it would fall into two sets of the L1 cache.
template <typename Visit>
inline void for_stretches(std::int32_t k, Visit visit) {
  const std::int32_t depth = stretch_of(k);
  for (std::int32_t begin = 0; begin < k; begin += depth)
    visit(Stretch{begin, k - begin < depth ? k - begin : depth});
}

}  // namespace

// BF16 layers on the tile unit: 32 channels × 32 tokens of sums in four tiles, fed by two tiles of
// weights and two of x for each 32 values of k. Weights are the first operand, whose rows are plain
// rows: blocks are expanded where they will be multiplied, without transposing. Source of the
// instructions: Intel 64 and IA-32 manual, volume 1, chapter 18.
#include "kernels/cpu/avx512_expand.hpp"
#include "kernels/cpu/avx512_transpose.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::amx {

#include "kernels/cpu/body/elementwise.hpp"
#include "kernels/cpu/body/tensor_types.hpp"

namespace {

constexpr std::int32_t kHalf = 16;  // rows of a tile
constexpr std::int32_t kPanel = 32;
constexpr std::int32_t kStep = kPanel * kBf16Depth;  // values of a panel in one step of k

// The memory that LDTILECFG reads.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_per_row[16] = {};
  std::uint8_t rows[16] = {};
};

// Two tiles of tokens, the second of which may be empty.
struct Tokens {
  std::int32_t row;  // of x and y
  std::int32_t first;
  std::int32_t second;
};

// Sums are tiles 0 to 3 ([channels][tokens]: 0 1 over 2 3), weights 4 and 5, x 6 and 7. Tiles of x
// and sums are as narrow as there are tokens. Released when the call ends: a thread that sleeps
// then carries no tile state.
class TileUnit {
 public:
  void configure(const Tokens& tokens) {
    if (tokens.first == first_ && tokens.second == second_) return;
    first_ = tokens.first;
    second_ = tokens.second;
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      const bool is_second = tile == 1 || tile == 3 || tile == 7;
      const std::int32_t width = is_second && second_ != 0 ? second_ : first_;
      config.bytes_per_row[tile] =
          tile == 4 || tile == 5 ? std::uint16_t{64} : static_cast<std::uint16_t>(4 * width);
      config.rows[tile] = kHalf;
    }
    // Without this the compiler takes the configuration for a dead store.
    asm volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
  }

  ~TileUnit() { _tile_release(); }

 private:
  std::int32_t first_ = 0;
  std::int32_t second_ = 0;
};

// Rows of weights that lie one after the other, into a panel: [steps of k][32 rows][32].
struct ExpandRows {
  const std::uint8_t* weights;  // the first row
  std::int32_t rows;            // up to 16
  std::int32_t k;
  TensorType type;
  Bf16* out;

  static void put(Bf16* at, Vec values) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(at),
                       reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
  }

  template <typename Type>
  void blocks() const {
    constexpr std::ptrdiff_t kAhead = 4096;
    const std::uint8_t* block = weights;
    for (std::int32_t row = 0; row < rows; ++row) {
      Bf16* at = out + row * kBf16Depth;
      for (std::int32_t i = 0; i < k; i += Type::kValues) {
        Scales scales;
        prefetch<Type>(block + kAhead);
        Type::read_scales(block, scales);
        settle(scales);
        Type::each(
            block, scales, [&](int part, Vec w) __attribute__((always_inline)) {
              put(at + part / 2 * kStep + part % 2 * kHalf, w);
            });
        block += Type::kBytes;
        at += Type::kValues / kBf16Depth * kStep;
      }
    }
  }

  void floats(int bytes) const {
    for (std::int32_t row = 0; row < rows; ++row) {
      const std::uint8_t* from = weights + std::ptrdiff_t{row} * k * bytes;
      for (std::int32_t i = 0; i < bf16_padded_k(k); i += kHalf) {
        const int count = k - i < 0 ? 0 : k - i < kHalf ? k - i : kHalf;
        put(out + i / kBf16Depth * kStep + row * kBf16Depth + i % kBf16Depth,
            values(from + std::ptrdiff_t{i} * bytes, count));
      }
    }
  }

  Vec values(const std::uint8_t* from, int count) const {
    if (type == TensorType::kF16) return widen_f16(from, count);
    if (type == TensorType::kBF16) return widen_bf16(from, count);
    return _mm512_maskz_loadu_ps(first_lanes(count), from);
  }
};

// 16 rows of a matrix from `column` on; those beyond the matrix become zero.
inline void expand_half(TensorType type,
                        const std::byte* weights,
                        const Bf16Linear& op,
                        std::int32_t column,
                        Bf16* out) {
  const std::int32_t left = op.n - column;
  const std::int32_t rows = left < 0 ? 0 : left < kHalf ? left : kHalf;
  if (rows < kHalf) {
    for (std::int32_t i = 0; i < bf16_padded_k(op.k); i += kBf16Depth) {
      for (std::int32_t row = rows; row < kHalf; ++row)
        _mm512_store_si512(out + i / kBf16Depth * kStep + row * kBf16Depth, _mm512_setzero_si512());
    }
  }
  if (rows == 0) return;
  const std::ptrdiff_t bytes = visit_type(type, RowBytes{op.k});
  const auto* first = reinterpret_cast<const std::uint8_t*>(weights) + column * bytes;
  visit_type(type, ExpandRows{first, rows, op.k, type, out});
}

// 32 channels, or 16 of the gate over the same 16 of `up`.
inline void expand_panel(const Bf16Linear& op, std::int32_t column, Bf16* out) {
  expand_half(op.type, op.weights, op, column, out);
  const bool gated = op.up != nullptr;
  expand_half(gated ? op.up_type : op.type,
              gated ? op.up : op.weights,
              op,
              gated ? column : column + kHalf,
              out + kHalf * kBf16Depth);
}

template <bool kTwo>
inline void multiply(const Bf16Linear& op,
                     const Tokens& tokens,
                     const Bf16* panel,
                     float* sums) {  // [32 channels][32 tokens]
  const std::ptrdiff_t padded = bf16_padded_k(op.k);
  const std::ptrdiff_t width0 = 4 * tokens.first;
  const std::ptrdiff_t width1 = 4 * tokens.second;
  const Bf16* x0 = op.x + tokens.row * padded;
  const Bf16* x1 = x0 + kHalf * padded;
  _tile_zero(0);
  _tile_zero(2);
  if (kTwo) _tile_zero(1);
  if (kTwo) _tile_zero(3);
  for (std::ptrdiff_t i = 0; i < padded; i += kBf16Depth, panel += kStep) {
    _tile_loadd(4, panel, 64);
    _tile_loadd(6, x0, width0);
    _tile_dpbf16ps(0, 4, 6);
    if (kTwo) _tile_loadd(7, x1, width1);
    if (kTwo) _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, panel + kStep / 2, 64);
    _tile_dpbf16ps(2, 5, 6);
    if (kTwo) _tile_dpbf16ps(3, 5, 7);
    x0 += tokens.first * kBf16Depth;
    x1 += tokens.second * kBf16Depth;
  }
  _tile_stored(0, sums, 128);
  _tile_stored(2, sums + 512, 128);
  if (kTwo) _tile_stored(1, sums + 16, 128);
  if (kTwo) _tile_stored(3, sums + 528, 128);
}

inline __mmask16 mask_of(std::int32_t count) {
  return count >= kHalf ? static_cast<__mmask16>(0xFFFFU)
                        : static_cast<__mmask16>((1U << (count > 0 ? count : 0)) - 1U);
}

// y[row … row + tokens, column … column + 16) from sums[16 channels][32].
inline void finish(const Bf16Linear& op,
                   std::int32_t row,
                   std::int32_t tokens,
                   std::int32_t column,
                   const float* sums) {
  __m512i rows[16];
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) rows[j] = _mm512_load_si512(sums + j * 32);
  transpose16(rows);
  const __mmask16 mask = mask_of(op.n - column);
  const bool biased = op.bias != nullptr;
  const Vec bias = biased ? _mm512_maskz_loadu_ps(mask, op.bias + column) : zero();
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.n + column;
  for (std::int32_t t = 0; t < tokens; ++t, y += op.n) {
    Vec value = _mm512_castsi512_ps(rows[t]);
    if (biased) value = add(value, bias);
    if (op.accumulate) value = add(_mm512_maskz_loadu_ps(mask, y), value);
    _mm512_mask_storeu_ps(y, mask, value);
  }
}

// The low 16 bits of each lane hold a's, the high ones b's values.
inline __m512i pair_up(Vec a, Vec b) {
  const __m512i low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a)));
  const __m512i high = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(b)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// packed_y[row … row + tokens, column … column + 16) from sums[16 gates, 16 ups][32]: sums have the
// order of the next layer's x already.
inline void finish_gated(const Bf16Linear& op,
                         std::int32_t row,
                         std::int32_t tokens,
                         std::int32_t column,
                         const float* sums) {
  const std::ptrdiff_t padded = bf16_padded_k(op.n);
  auto* out = reinterpret_cast<std::int32_t*>(op.packed_y + row * padded) +
              static_cast<std::ptrdiff_t>(column / 2) * tokens;
  const __mmask16 mask = mask_of(tokens);
  for (int j = 0; j < kHalf; j += 2, out += tokens) {
    const float* gate = sums + j * 32;
    const float* up = gate + 512;
    const Vec even = gated(load(gate), load(up));
    const Vec odd = gated(load(gate + 32), load(up + 32));
    _mm512_mask_storeu_epi32(out, mask, pair_up(even, odd));
  }
}

inline void block(const Bf16Linear& op, const Tokens& tokens, std::int32_t column, const Bf16* w) {
  alignas(64) float sums[32 * 32];
  (tokens.second != 0 ? multiply<true> : multiply<false>)(op, tokens, w, sums);
  for (std::int32_t half = 0; half < 2; ++half) {
    const std::int32_t count = half == 0 ? tokens.first : tokens.second;
    const std::int32_t row = tokens.row + half * kHalf;
    if (count == 0) continue;
    if (op.up != nullptr) {
      finish_gated(op, row, count, column, sums + half * kHalf);
    } else {
      finish(op, row, count, column, sums + half * kHalf);
      finish(op, row, count, column + kHalf, sums + half * kHalf + 512);
    }
  }
}

inline Tokens tokens_at(const Bf16Linear& op, std::int32_t row) {
  const std::int32_t left = op.rows - row;
  const std::int32_t second = left - kHalf < kHalf ? left - kHalf : kHalf;
  return {row, left < kHalf ? left : kHalf, second > 0 ? second : 0};
}

}  // namespace

void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  const std::int32_t columns = bf16_panel_columns(op);
  const std::ptrdiff_t panel_values = std::ptrdiff_t{kPanel} * bf16_padded_k(op.k);
  auto* panels = reinterpret_cast<Bf16*>(scratch);
  TileUnit unit;
  // The next layer's x is padded with channels of zeros.
  if (op.up != nullptr && end == op.n) end = bf16_padded_k(op.n);
  // With one block of tokens a panel is used once: each takes the place of the last in the cache.
  const std::int32_t group = op.rows <= 2 * kHalf ? columns : end - begin;
  for (std::int32_t first = begin; first < end; first += group) {
    const std::int32_t last = end - first < group ? end : first + group;
    for (std::int32_t column = first; column < last; column += columns)
      expand_panel(op, column, panels + (column - first) / columns * panel_values);
    asm volatile("" ::: "memory");  // g++ 12 does not know that loading a tile reads memory
    for (std::int32_t row = 0; row < op.rows; row += 2 * kHalf) {
      const Tokens tokens = tokens_at(op, row);
      unit.configure(tokens);
      for (std::int32_t column = first; column < last; column += columns)
        block(op, tokens, column, panels + (column - first) / columns * panel_values);
    }
  }
}

}  // namespace troupe::kernels::amx

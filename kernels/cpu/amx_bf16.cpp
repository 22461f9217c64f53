// BF16 layers on the tile unit: 32 channels × 32 tokens of sums in four tiles, fed by two tiles of
// weights and two of x for each 32 values of k. Weights are the first operand, whose rows are plain
// rows: blocks are expanded where they will be multiplied, without transposing. Source of the
// instructions: Intel 64 and IA-32 manual, volume 1, chapter 18.
#include "kernels/cpu/avx512_expand.hpp"
#include "kernels/cpu/avx512_transpose.hpp"
#include "kernels/cpu/bf16_expand.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::amx {

#include "kernels/cpu/body/elementwise.hpp"
#include "kernels/cpu/body/tensor_types.hpp"

namespace {

constexpr std::int32_t kHalf = 16;  // rows of a tile
constexpr std::int32_t kPanel = 32;
constexpr std::int32_t kStep = kPanel * kBf16Depth;  // values of a panel in one step of k
constexpr std::int32_t kStretch = 256;               // most values of k that are expanded at a time
constexpr std::int32_t kRowsPerStep = 4;             // rows expanded to one step of the tile unit
constexpr std::ptrdiff_t kRowsAhead = 16;            // weight rows that are asked for in advance

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

// A stretch of k, whole blocks of every type.
struct Stretch {
  std::int32_t begin;
  std::int32_t count;
};

// Multiplications that the tile unit has still to do: steps of k of one panel and one block of
// tokens. They are few instructions with long latencies, so for few tokens they are handed out one
// by one while the next stretch is expanded.
struct Steps {
  const Bf16* panel;
  const Bf16* x0;
  const Bf16* x1;
  Tokens tokens;
  std::int32_t left;

  // The barriers: g++ 12 does not know that loading a tile reads memory.
  void one() {
    if (left == 0) return;
    asm volatile("" ::: "memory");
    _tile_loadd(4, panel, 64);
    _tile_loadd(6, x0, 4L * tokens.first);
    _tile_dpbf16ps(0, 4, 6);
    if (tokens.second != 0) {
      _tile_loadd(7, x1, 4L * tokens.second);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_loadd(5, panel + kStep / 2, 64);
    _tile_dpbf16ps(2, 5, 6);
    if (tokens.second != 0) _tile_dpbf16ps(3, 5, 7);
    asm volatile("" ::: "memory");
    panel += kStep;
    x0 += tokens.first * kBf16Depth;
    x1 += tokens.second * kBf16Depth;
    --left;
  }

  void all() {
    while (left > 0) one();
  }
};

inline Steps steps_of(const Bf16Linear& op,
                      const Tokens& tokens,
                      Stretch stretch,
                      const Bf16* panel) {
  const std::ptrdiff_t padded = bf16_padded_k(op.k);
  const std::ptrdiff_t begin = stretch.begin;
  const Bf16* x0 = op.x + tokens.row * padded;
  return {panel,
          x0 + begin * tokens.first,
          x0 + kHalf * padded + begin * tokens.second,
          tokens,
          bf16_padded_k(stretch.count) / kBf16Depth};
}

// A stretch of up to 16 rows of weights, into a panel: [steps of k][32 rows][32].
struct ExpandRows {
  const std::byte* weights;  // the first row's stretch
  std::ptrdiff_t row_bytes;
  std::int32_t rows;
  std::int32_t k;  // of the stretch
  TensorType type;
  Bf16* out;
  Steps& meanwhile;

  template <typename Type>
  void blocks() const {
    for (std::int32_t row = 0; row < rows; ++row) {
      if (row % kRowsPerStep == 0) meanwhile.one();
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
    const int count = left < 0 ? 0 : left < kHalf ? left : kHalf;
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
                        Stretch stretch,
                        Bf16* out,
                        Steps& meanwhile) {
  const std::int32_t left = op.n - column;
  const std::int32_t rows = left < 0 ? 0 : left < kHalf ? left : kHalf;
  for (std::int32_t i = 0; rows < kHalf && i < stretch.count; i += kBf16Depth) {
    for (std::int32_t row = rows; row < kHalf; ++row)
      _mm512_store_si512(out + i / kBf16Depth * kStep + row * kBf16Depth, _mm512_setzero_si512());
  }
  if (rows == 0) return;
  const std::ptrdiff_t bytes = visit_type(type, RowBytes{op.k});
  const std::ptrdiff_t before = visit_type(type, RowBytes{stretch.begin});
  visit_type(
      type,
      ExpandRows{
          weights + column * bytes + before, bytes, rows, stretch.count, type, out, meanwhile});
}

// 32 channels, or 16 of the gate over the same 16 of `up`.
inline void expand_panel(
    const Bf16Linear& op, std::int32_t column, Stretch stretch, Bf16* out, Steps& meanwhile) {
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

inline void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

inline __mmask16 mask_of(std::int32_t count) {
  return count >= kHalf ? static_cast<__mmask16>(0xFFFFU)
                        : static_cast<__mmask16>((1U << (count > 0 ? count : 0)) - 1U);
}

// y[column … column + 16) of one row, from its sums.
inline void put_row(const Bf16Linear& op, float* y, std::int32_t column, Vec value) {
  const __mmask16 mask = mask_of(op.n - column);
  if (op.bias != nullptr) value = add(value, _mm512_maskz_loadu_ps(mask, op.bias + column));
  if (op.accumulate) value = add(_mm512_maskz_loadu_ps(mask, y), value);
  _mm512_mask_storeu_ps(y, mask, value);
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
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.n + column;
  for (std::int32_t t = 0; t < tokens; ++t, y += op.n)
    put_row(op, y, column, _mm512_castsi512_ps(rows[t]));
}

// The low 16 bits of each lane hold a's, the high ones b's values.
inline __m512i pair_up(Vec a, Vec b) {
  const __m512i low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a)));
  const __m512i high = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(b)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// Channels column + pair and the next one of packed_y, from sums[16 gates, 16 ups][32]: sums have
// the order of the next layer's x already.
inline void finish_pair(const Bf16Linear& op,
                        std::int32_t row,
                        std::int32_t tokens,
                        std::int32_t column,
                        std::int32_t pair,
                        const float* sums) {
  const std::ptrdiff_t padded = bf16_padded_k(op.n);
  auto* out = reinterpret_cast<std::int32_t*>(op.packed_y + row * padded) +
              static_cast<std::ptrdiff_t>((column + pair) / 2) * tokens;
  const float* gate = sums + pair * 32;
  const float* up = gate + 512;
  const Vec even = gated(load(gate), load(up));
  const Vec odd = gated(load(gate + 32), load(up + 32));
  _mm512_mask_storeu_epi32(out, mask_of(tokens), pair_up(even, odd));
}

// A single token: its sums lie one after the other when they are stored so.
inline void finish_token(const Bf16Linear& op, std::int32_t column) {
  alignas(64) float sums[kPanel];
  _tile_stored(0, sums, 4);
  _tile_stored(2, sums + kHalf, 4);
  const Vec low = load(sums);
  const Vec high = load(sums + kHalf);
  if (op.up != nullptr) {
    const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(gated(low, high)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(op.packed_y + column), rounded);
  } else {
    put_row(op, op.y + column, column, low);
    put_row(op, op.y + column + kHalf, column + kHalf, high);
  }
}

// Outputs that stored sums have still to become, in pieces that fit between two steps.
struct Outputs {
  const Bf16Linear* op;
  Tokens tokens;
  std::int32_t column;
  const float* sums;  // [32 channels][32 tokens]
  std::int32_t left;  // pieces

  void one() {
    if (left == 0) return;
    --left;
    const std::int32_t per_half = op->up != nullptr ? kHalf / 2 : 2;
    const std::int32_t half = left / per_half;
    const std::int32_t piece = left % per_half;
    const std::int32_t count = half == 0 ? tokens.first : tokens.second;
    const std::int32_t row = tokens.row + half * kHalf;
    const float* from = sums + half * kHalf;
    if (op->up != nullptr) {
      finish_pair(*op, row, count, column, 2 * piece, from);
    } else {
      finish(*op, row, count, column + piece * kHalf, from + piece * 512);
    }
  }

  void all() {
    while (left > 0) one();
  }
};

inline Outputs store_sums(const Bf16Linear& op,
                          const Tokens& tokens,
                          std::int32_t column,
                          float* sums) {
  _tile_stored(0, sums, 128);
  _tile_stored(2, sums + 512, 128);
  if (tokens.second != 0) {
    _tile_stored(1, sums + 16, 128);
    _tile_stored(3, sums + 528, 128);
  }
  const std::int32_t halves = tokens.second != 0 ? 2 : 1;
  return {&op, tokens, column, sums, halves * (op.up != nullptr ? kHalf / 2 : 2)};
}

inline void finish_block(const Bf16Linear& op, const Tokens& tokens, std::int32_t column) {
  if (op.rows == 1) return finish_token(op, column);
  alignas(64) float sums[kPanel * 32];
  store_sums(op, tokens, column, sums).all();
}

inline Tokens tokens_at(const Bf16Linear& op, std::int32_t row) {
  const std::int32_t left = op.rows - row;
  const std::int32_t second = left - kHalf < kHalf ? left - kHalf : kHalf;
  return {row, left < kHalf ? left : kHalf, second > 0 ? second : 0};
}

// Equal stretches of whole tiles; of whole blocks where they have 256 values.
inline std::int32_t stretch_of(std::int32_t k) {
  if (k % 256 == 0) return 256;
  const std::int32_t stretches = (k + kStretch - 1) / kStretch;
  return bf16_padded_k((k + stretches - 1) / stretches);
}

// All tokens fit one block, so each expanded weight is used once: stretch by stretch in the L1
// cache, in two buffers by turns, while the sums stay in their tiles.
inline void few_tokens(const Bf16Linear& op, std::int32_t begin, std::int32_t end, Bf16* panels) {
  const Tokens tokens = tokens_at(op, 0);
  const std::int32_t depth = stretch_of(op.k);
  TileUnit unit;
  unit.configure(tokens);  // zeroes the sums
  Steps steps{};
  std::int32_t unfinished = begin;  // the column that `steps` belong to
  int turn = 0;
  for (std::int32_t column = begin; column < end; column += bf16_panel_columns(op)) {
    for (std::int32_t k = 0; k < op.k; k += depth, turn ^= 1) {
      const Stretch stretch{k, op.k - k < depth ? op.k - k : depth};
      Bf16* panel = panels + turn * (kStretch * kPanel);
      expand_panel(op, column, stretch, panel, steps);
      steps.all();
      if (column != unfinished) {
        finish_block(op, tokens, unfinished);
        zero_sums();
      }
      unfinished = column;
      steps = steps_of(op, tokens, stretch, panel);
    }
  }
  steps.all();
  finish_block(op, tokens, unfinished);
}

// All of k, a stretch at a time: rows of a panel lie 2 kB apart from step to step, so a whole row
// of it would fall into two sets of the L1 cache.
inline void expand_whole(const Bf16Linear& op, std::int32_t column, Bf16* panel) {
  const std::int32_t depth = stretch_of(op.k);
  Steps none{};
  for (std::int32_t k = 0; k < op.k; k += depth) {
    const Stretch stretch{k, op.k - k < depth ? op.k - k : depth};
    expand_panel(op, column, stretch, panel + std::ptrdiff_t{k} * kPanel, none);
  }
}

// Panels are expanded once, into the L2 cache, and all blocks of tokens pass by them.
inline void many_tokens(const Bf16Linear& op, std::int32_t begin, std::int32_t end, Bf16* panels) {
  const std::int32_t columns = bf16_panel_columns(op);
  const std::ptrdiff_t panel_values = std::ptrdiff_t{kPanel} * bf16_padded_k(op.k);
  const Stretch whole{0, op.k};
  for (std::int32_t column = begin; column < end; column += columns)
    expand_whole(op, column, panels + (column - begin) / columns * panel_values);
  TileUnit unit;
  alignas(64) float sums[2][kPanel * 32];
  Outputs outputs{};  // of the block before
  int turn = 0;
  for (std::int32_t row = 0; row < op.rows; row += 2 * kHalf) {
    const Tokens tokens = tokens_at(op, row);
    unit.configure(tokens);
    for (std::int32_t column = begin; column < end; column += columns, turn ^= 1) {
      const Bf16* panel = panels + (column - begin) / columns * panel_values;
      zero_sums();
      for (Steps steps = steps_of(op, tokens, whole, panel); steps.left > 0; outputs.one())
        steps.one();
      outputs.all();
      outputs = store_sums(op, tokens, column, sums[turn]);
    }
  }
  outputs.all();
}

}  // namespace

void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch) {
  // The next layer's x is padded with channels of zeros.
  if (op.up != nullptr && end == op.n) end = bf16_padded_k(op.n);
  auto* panels = reinterpret_cast<Bf16*>(scratch);
  (op.rows <= 2 * kHalf ? few_tokens : many_tokens)(op, begin, end, panels);
}

}  // namespace troupe::kernels::amx

// BF16 layers on the tile unit: 32 channels × 32 tokens of sums in four tiles, fed by two tiles of
// weights and two of x for each 32 values of k. Weights are the first operand, whose rows are plain
// rows: blocks are expanded where they will be multiplied, without transposing (bf16_panel.hpp).
// Source of the instructions: Intel 64 and IA-32 manual, volume 1, chapter 18.
#include "kernels/cpu/avx512_expand.hpp"
#include "kernels/cpu/avx512_transpose.hpp"
#include "kernels/cpu/bf16_expand.hpp"
#include "kernels/cpu/isa_kernels.hpp"

namespace troupe::kernels::amx {

#include "kernels/cpu/body/elementwise.hpp"
#include "kernels/cpu/body/tensor_types.hpp"
#include "kernels/cpu/body/tile_unit.hpp"

// After those, which they use.
#include "kernels/cpu/body/bf16_channels.hpp"
// After that.
#include "kernels/cpu/body/bf16_outputs.hpp"
#include "kernels/cpu/body/bf16_panel.hpp"

namespace {

// Sums are tiles 0 to 3 ([channels][tokens]: 0 1 over 2 3), weights 4 and 5, x 6 and 7. Tiles of x
// and sums are as narrow as there are tokens. Released when the call ends, as TileUnit is.
class TokenTiles {
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
    load_configuration(config);
  }

  ~TokenTiles() { _tile_release(); }

 private:
  std::int32_t first_ = 0;
  std::int32_t second_ = 0;
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

  void one() {
    if (left == 0) return;
    tiles_read_memory();
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
    tiles_read_memory();
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

inline void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

inline Tokens tokens_at(const Bf16Linear& op, std::int32_t row) {
  const std::int32_t left = op.rows - row;
  const std::int32_t second = left - kHalf < kHalf ? left - kHalf : kHalf;
  return {row, left < kHalf ? left : kHalf, second > 0 ? second : 0};
}

// All tokens fit one block, so each expanded weight is used once: stretch by stretch in the L1
// cache, in two buffers by turns, while the sums stay in their tiles.
inline void few_tokens(const Bf16Linear& op, std::int32_t begin, std::int32_t end, Bf16* panels) {
  const Tokens tokens = tokens_at(op, 0);
  const std::int32_t depth = stretch_of(op.k);
  TokenTiles unit;
  unit.configure(tokens);  // zeroes the sums
  Steps steps{};
  std::int32_t unfinished = begin;  // the column that `steps` belong to
  int turn = 0;
  for (std::int32_t column = begin; column < end; column += bf16_panel_columns(op)) {
    for (std::int32_t k = 0; k < op.k; k += depth, turn ^= 1) {
      const Stretch stretch{k, op.k - k < depth ? op.k - k : depth};
      Bf16* panel = panels + turn * (kStretch * kPanel);
      expand_panel(op, column, stretch, panel, [&] { steps.one(); });
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

// Panels are expanded once, into the L2 cache, and all blocks of tokens pass by them.
inline void many_tokens(const Bf16Linear& op, std::int32_t begin, std::int32_t end, Bf16* panels) {
  const std::int32_t columns = bf16_panel_columns(op);
  const std::ptrdiff_t panel_values = std::ptrdiff_t{kPanel} * bf16_padded_k(op.k);
  const Stretch whole{0, op.k};
  for (std::int32_t column = begin; column < end; column += columns) {
    Bf16* panel = panels + (column - begin) / columns * panel_values;
    for_stretches(op.k, [&](Stretch stretch) {
      expand_panel(op, column, stretch, panel + std::ptrdiff_t{stretch.begin} * kPanel, [] {});
    });
  }
  TokenTiles unit;
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

// What each instruction set provides. These functions run on one thread and share out nothing.
//
// The files that define them are compiled with flags of their own. Whatever they instantiate from a
// header could be emitted with instructions that other CPUs lack and be kept by the linker for
// everybody, so those files use nothing inline from outside: no standard library, and their common
// source (body/) only inside an unnamed namespace.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention.hpp"
#include "kernels/bf16_linear.hpp"
#include "kernels/grouped_linear.hpp"
#include "kernels/int8_linear.hpp"
#include "kernels/linear.hpp"
#include "kernels/pack_bf16.hpp"
#include "kernels/quantize.hpp"
#include "kernels/rms_norm.hpp"
#include "kernels/rope_append.hpp"
#include "kernels/silu_mul.hpp"

namespace troupe::kernels {

// Rows of weights that are expanded together when a linear layer has several rows of x.
inline constexpr std::int32_t kLinearPanelRows = 16;

constexpr std::int32_t linear_scratch_floats(std::int32_t k) {
  return kLinearPanelRows * ((k + 15) / 16 * 16);
}

// Rows (query heads) of one tile, in whole tiles of the tile unit.
constexpr std::int32_t attention_rows(std::int32_t group) {
  return (group * query_tile_tokens(group) + kAttentionRows - 1) / kAttentionRows * kAttentionRows;
}

// The result of one split: output, and two numbers a row; whole cache lines.
constexpr std::int32_t attention_part_floats(std::int32_t group, std::int32_t head_dim) {
  return attention_rows(group) * (kv_padded(head_dim) + 2);
}

// Two parts; scores of a split (16 more a row, see amx_attention.cpp), rounded queries, scales, and
// a split's keys and values expanded to FP32.
constexpr std::int32_t attention_scratch_floats(std::int32_t group, std::int32_t head_dim) {
  const std::int32_t rows = attention_rows(group);
  return 2 * attention_part_floats(group, head_dim) +
         rows * (kKvSplitTokens + 16 + kv_padded(head_dim)) +
         2 * kKvSplitTokens * (1 + kv_padded(head_dim)) + 16;
}

// A key or value, and the same rounded.
constexpr std::int32_t rope_append_scratch_floats(std::int32_t head_dim) {
  return 2 * kv_padded(head_dim);
}

// One row as floats, or kInt8RowTile rows as bytes.
constexpr std::int32_t int8_scratch_floats(std::int32_t k) {
  return kInt8RowTile / 4 * int8_padded_k(k);
}

// Columns of y that a panel of 32 expanded rows makes: half are the gate's where there is one.
constexpr std::int32_t bf16_panel_columns(const Bf16Linear& op) {
  return op.up == nullptr ? 32 : 16;
}

// Panels that are expanded together, to stay in the L2 cache while all of x passes by once; even,
// so that they cover the padding of a gated layer.
inline constexpr std::int32_t kBf16Panels = 2;

// Panels of all of k, or sixteen normalised rows of x.
constexpr std::int32_t bf16_scratch_floats(std::int32_t k) {
  const std::int32_t least = 256;  // two panels by turns for one stretch of k, where x is small
  const std::int32_t depth = k < least ? least : bf16_padded_k(k);
  return kBf16Panels * 32 * depth / 2;
}

}  // namespace troupe::kernels

namespace troupe::kernels::avx512 {

// One row of `k` weights as FP32; `out` holds k rounded up to 16, the rest becomes zero.
void expand_row(TensorType type, const std::byte* row, std::int32_t k, float* out);

// Columns [begin, end) of y; `scratch` holds linear_scratch_floats(k), 64-byte aligned.
void linear(const Linear& op, std::int32_t begin, std::int32_t end, float* scratch);
void rms_norm(const RmsNorm& op, std::int32_t begin, std::int32_t end);  // rows [begin, end)
void rope_append(const RopeAppend& op, const RopeAppendTile& tile, float* scratch);
void silu_mul(const SiluMul& op, std::int64_t begin, std::int64_t end);  // values [begin, end)

// `scratch` holds attention_scratch_floats, 64-byte aligned.
void attention(const Attention& op, const AttentionTile& tile, float* scratch);

// The same in two steps, so that threads can share the splits of one long sequence: one split's
// part (attention_part_floats), then all parts, `floats_per_part` apart, into op.out.
void attention_part(const Attention& op,
                    const AttentionTile& tile,
                    std::int32_t split,
                    float* part,
                    float* scratch);
void attention_join(const Attention& op,
                    const AttentionTile& tile,
                    float* parts,
                    std::int32_t floats_per_part);

}  // namespace troupe::kernels::avx512

// As above.
namespace troupe::kernels::avx2 {

void expand_row(TensorType type, const std::byte* row, std::int32_t k, float* out);
void linear(const Linear& op, std::int32_t begin, std::int32_t end, float* scratch);
void rms_norm(const RmsNorm& op, std::int32_t begin, std::int32_t end);
void rope_append(const RopeAppend& op, const RopeAppendTile& tile, float* scratch);
void silu_mul(const SiluMul& op, std::int64_t begin, std::int64_t end);
void attention(const Attention& op, const AttentionTile& tile, float* scratch);
void attention_part(const Attention& op,
                    const AttentionTile& tile,
                    std::int32_t split,
                    float* part,
                    float* scratch);
void attention_join(const Attention& op,
                    const AttentionTile& tile,
                    float* parts,
                    std::int32_t floats_per_part);
void quantize(const Quantize& op, std::int32_t begin, std::int32_t end, float* scratch);
void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch);

// Rows [begin, end) of x; columns [begin, end) of y, begin a multiple of 32.
void group_rows(
    const float* x, std::int32_t k, const GroupedInput& out, std::int32_t begin, std::int32_t end);
void grouped_linear(const GroupedLinear& op,
                    const GroupedInput& x,
                    std::int32_t begin,
                    std::int32_t end);

}  // namespace troupe::kernels::avx2

// AVX2 with AVX-VNNI: the same instructions for int8 on 256 bits.
namespace troupe::kernels::avx_vnni {

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch);
void grouped_linear(const GroupedLinear& op,
                    const GroupedInput& x,
                    std::int32_t begin,
                    std::int32_t end);

}  // namespace troupe::kernels::avx_vnni

// AVX-512 with VNNI. `begin` is a multiple of 32, `end` too or op.weights.n; `scratch` holds
// int8_scratch_floats(k), 64-byte aligned. The same for all of these.
namespace troupe::kernels::vnni {

void quantize(const Quantize& op, std::int32_t begin, std::int32_t end, float* scratch);
void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch);
void group_rows(
    const float* x, std::int32_t k, const GroupedInput& out, std::int32_t begin, std::int32_t end);
void grouped_linear(const GroupedLinear& op,
                    const GroupedInput& x,
                    std::int32_t begin,
                    std::int32_t end);

}  // namespace troupe::kernels::vnni

// Also needs AVX512-BF16, and layers VBMI. Attention takes pools of BF16 and int8 only.
namespace troupe::kernels::avx512_bf16 {

void attention(const Attention& op, const AttentionTile& tile, float* scratch);
void attention_part(const Attention& op,
                    const AttentionTile& tile,
                    std::int32_t split,
                    float* part,
                    float* scratch);
void attention_join(const Attention& op,
                    const AttentionTile& tile,
                    float* parts,
                    std::int32_t floats_per_part);

// Rows [begin, end), begin a multiple of kBf16Tokens; and columns, begin a multiple of
// bf16_panel_columns, up to kBf16Panels panels of them. `scratch` holds bf16_scratch_floats(k),
// 64-byte aligned.
void pack_bf16(const PackBf16& op, std::int32_t begin, std::int32_t end, float* scratch);
void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch);

}  // namespace troupe::kernels::avx512_bf16

// Also needs VNNI and AVX512-BF16, and the process's permission to use tiles. Attention takes pools
// of BF16 and int8 only.
namespace troupe::kernels::amx {

void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch);
void attention(const Attention& op, const AttentionTile& tile, float* scratch);
void attention_part(const Attention& op,
                    const AttentionTile& tile,
                    std::int32_t split,
                    float* part,
                    float* scratch);
void attention_join(const Attention& op,
                    const AttentionTile& tile,
                    float* parts,
                    std::int32_t floats_per_part);

// As above.
void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch);

}  // namespace troupe::kernels::amx

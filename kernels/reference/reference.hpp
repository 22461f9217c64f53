// The plain form of every operation: scalar, sums in double. What the fast kernels are tested
// against, and what a CPU without AVX2 runs.
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

namespace troupe::kernels::reference {

// One row of `k` weights as FP32 into `out` ([k]).
void expand_row(TensorType type, const std::byte* row, std::int32_t k, float* out);

// Columns [begin, end) of y. `scratch` holds k floats.
void linear(const Linear& op, std::int32_t begin, std::int32_t end, float* scratch);

// Rows [begin, end).
void rms_norm(const RmsNorm& op, std::int32_t begin, std::int32_t end);

void attention(const Attention& op, const AttentionTile& tile);

// The scratch is not used.
void rope_append(const RopeAppend& op, const RopeAppendTile& tile, float* scratch);

// Values [begin, end).
void silu_mul(const SiluMul& op, std::int64_t begin, std::int64_t end);

// The rotation of quantize.hpp, its own inverse; in place: [padded].
void rotate(float* row, std::int32_t padded);

// Rounds `count` values to q = x / scale and returns the scale; see quantize.hpp.
float quantize_row(const float* x, std::int32_t count, std::int8_t* q);

// Rows [begin, end); `scratch` holds int8_padded_k(k) floats.
void quantize(const Quantize& op, std::int32_t begin, std::int32_t end, float* scratch);

// Rows [begin, end) of x ([rows, k]) rounded in groups; and columns [begin, end) of y.
void group_rows(
    const float* x, std::int32_t k, const GroupedInput& out, std::int32_t begin, std::int32_t end);
void grouped_linear(const GroupedLinear& op,
                    const GroupedInput& x,
                    std::int32_t begin,
                    std::int32_t end);

// Columns [begin, end) of y; the scratch is not used.
void int8_linear(const Int8Linear& op, std::int32_t begin, std::int32_t end, float* scratch);

// To nearest, ties to even; denormals become zero.
Bf16 to_bf16(float value);

// Rows [begin, end); `scratch` holds k floats.
void pack_bf16(const PackBf16& op, std::int32_t begin, std::int32_t end, float* scratch);

// Columns [begin, end) of y; `scratch` holds 2 · k floats.
void bf16_linear(const Bf16Linear& op, std::int32_t begin, std::int32_t end, float* scratch);

}  // namespace troupe::kernels::reference

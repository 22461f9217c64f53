// Expands stored weights, one value at a time, as the format's description says.
// Block layouts: github.com/ggml-org/ggml/blob/master/src/ggml-common.h
#include <bit>
#include <cstring>

#include "config/check.hpp"
#include "kernels/reference/reference.hpp"

namespace troupe::kernels {

std::size_t row_bytes(TensorType type, std::int32_t k) {
  const BlockShape shape = block_shape(type);
  CHECK(shape.values != 0, "model files are checked for types when they are opened");
  return static_cast<std::size_t>(k) / shape.values * shape.bytes;
}

}  // namespace troupe::kernels

namespace troupe::kernels::reference {
namespace {

using Bytes = const std::uint8_t*;

std::uint32_t word16(Bytes p) { return p[0] | static_cast<std::uint32_t>(p[1]) << 8; }

std::uint32_t word32(Bytes p) { return word16(p) | word16(p + 2) << 16; }

// IEEE 754 binary16 to binary32; exact.
float half(Bytes p) {
  const std::uint32_t bits = word16(p);
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = bits >> 10 & 31U;
  const std::uint32_t fraction = bits & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

float signed_byte(std::uint8_t byte) { return static_cast<float>(static_cast<std::int8_t>(byte)); }

// 4 bits a value: the low halves of 16 bytes are values 0-15, the high halves 16-31.
std::uint32_t nibble(Bytes quants, int i) {
  return i < 16 ? quants[i] & 15U : static_cast<std::uint32_t>(quants[i - 16] >> 4);
}

void expand_q4_0(Bytes b, float* out) {
  const float d = half(b);
  for (int i = 0; i < 32; ++i) out[i] = d * (static_cast<float>(nibble(b + 2, i)) - 8.0F);
}

void expand_q4_1(Bytes b, float* out) {
  const float d = half(b);
  const float m = half(b + 2);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(nibble(b + 4, i)) + m;
}

void expand_q5_0(Bytes b, float* out) {
  const float d = half(b);
  const std::uint32_t high = word32(b + 2);
  for (int i = 0; i < 32; ++i) {
    const std::uint32_t q = nibble(b + 6, i) | (high >> i & 1U) << 4;
    out[i] = d * (static_cast<float>(q) - 16.0F);
  }
}

void expand_q5_1(Bytes b, float* out) {
  const float d = half(b);
  const float m = half(b + 2);
  const std::uint32_t high = word32(b + 4);
  for (int i = 0; i < 32; ++i) {
    const std::uint32_t q = nibble(b + 8, i) | (high >> i & 1U) << 4;
    out[i] = d * static_cast<float>(q) + m;
  }
}

void expand_q8_0(Bytes b, float* out) {
  const float d = half(b);
  for (int i = 0; i < 32; ++i) out[i] = d * signed_byte(b[2 + i]);
}

// The 16 values that a nibble of IQ4_NL chooses from, closer together near zero, where most weights
// are; from the same description.
constexpr float kIq4NlValues[] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void expand_iq4_nl(Bytes b, float* out) {
  const float d = half(b);
  for (int i = 0; i < 32; ++i) out[i] = d * kIq4NlValues[nibble(b + 2, i)];
}

// The two low bits of value i of 256: a byte has those of four values that lie 32 apart.
std::uint32_t bit_pair(Bytes quants, int i) {
  const std::uint32_t byte = quants[i / 128 * 32 + i % 32];
  return byte >> (i % 128 / 32 * 2) & 3U;
}

// 16 groups of 16: a byte for each with the scale in its low half and the minimum in its high one.
void expand_q2_k(Bytes b, float* out) {
  const float d = half(b + 80);
  const float dmin = half(b + 82);
  for (int i = 0; i < 256; ++i) {
    const std::uint32_t group = b[i / 16];
    const float scale = d * static_cast<float>(group & 15U);
    const float minimum = dmin * static_cast<float>(group >> 4);
    out[i] = scale * static_cast<float>(bit_pair(b + 16, i)) - minimum;
  }
}

// 16 groups of 16 with scales of 6 bits: the low four in the halves of 8 bytes, the high two in the
// quarters of 4 more. Where the third bit is not set, 4 is taken away.
void expand_q3_k(Bytes b, float* out) {
  const Bytes scales = b + 96;
  const float d = half(b + 108);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 16;
    const std::uint32_t low = static_cast<std::uint32_t>(scales[group % 8]) >> (group / 8 * 4);
    const std::uint32_t high = static_cast<std::uint32_t>(scales[8 + group % 4]) >> (group / 4 * 2);
    const float scale = d * (static_cast<float>((low & 15U) | (high & 3U) << 4) - 32.0F);
    const std::uint32_t third = static_cast<std::uint32_t>(b[i % 32]) >> (i / 32) & 1U;
    out[i] = scale * (static_cast<float>(bit_pair(b + 32, i) | third << 2) - 4.0F);
  }
}

// The 6-bit scale and minimum of group `i` of 8, packed into 12 bytes.
struct ScaleMin {
  float scale;
  float minimum;
};

ScaleMin scale_min(Bytes s, int i) {
  if (i < 4) return {static_cast<float>(s[i] & 63U), static_cast<float>(s[i + 4] & 63U)};
  return {static_cast<float>((s[i + 4] & 15) | (s[i - 4] >> 6) << 4),
          static_cast<float>(s[i + 4] >> 4 | (s[i] >> 6) << 4)};
}

// Q4_K (no high bits) and Q5_K: 8 groups of 32; a pair of groups shares 32 bytes of nibbles.
void expand_k45(Bytes b, Bytes high, Bytes quants, float* out) {
  const float d = half(b);
  const float dmin = half(b + 2);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 32;
    const std::uint32_t byte = quants[group / 2 * 32 + i % 32];
    std::uint32_t q = group % 2 == 0 ? byte & 15U : byte >> 4;
    if (high != nullptr) q |= (static_cast<std::uint32_t>(high[i % 32]) >> group & 1U) << 4;
    const ScaleMin g = scale_min(b + 4, group);
    out[i] = d * g.scale * static_cast<float>(q) - dmin * g.minimum;
  }
}

void expand_q4_k(Bytes b, float* out) { expand_k45(b, nullptr, b + 16, out); }

void expand_q5_k(Bytes b, float* out) { expand_k45(b, b + 16, b + 48, out); }

// 16 groups of 16: 4 low bits, 2 high bits, signed 8-bit scales.
void expand_q6_k(Bytes b, float* out) {
  const float d = half(b + 208);
  for (int i = 0; i < 256; ++i) {
    const int part = i / 128;  // each has 64 bytes of low bits and 32 of high bits
    const int quarter = i % 128 / 32;
    const std::uint32_t low_byte = b[part * 64 + quarter % 2 * 32 + i % 32];
    const std::uint32_t low = quarter < 2 ? low_byte & 15U : low_byte >> 4;
    const std::uint32_t high =
        static_cast<std::uint32_t>(b[128 + part * 32 + i % 32]) >> 2 * quarter & 3U;
    const float scale = d * signed_byte(b[192 + i / 16]);
    out[i] = scale * (static_cast<float>(low | high << 4) - 32.0F);
  }
}

void expand_f32(Bytes b, float* out) { std::memcpy(out, b, sizeof(float)); }

void expand_f16(Bytes b, float* out) { *out = half(b); }

void expand_bf16(Bytes b, float* out) { *out = std::bit_cast<float>(word16(b) << 16); }

using ExpandBlock = void (*)(Bytes, float*);

ExpandBlock expander(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return expand_f32;
    case TensorType::kF16:
      return expand_f16;
    case TensorType::kBF16:
      return expand_bf16;
    case TensorType::kQ4_0:
      return expand_q4_0;
    case TensorType::kQ4_1:
      return expand_q4_1;
    case TensorType::kQ5_0:
      return expand_q5_0;
    case TensorType::kQ5_1:
      return expand_q5_1;
    case TensorType::kQ8_0:
      return expand_q8_0;
    case TensorType::kQ2_K:
      return expand_q2_k;
    case TensorType::kQ3_K:
      return expand_q3_k;
    case TensorType::kQ4_K:
      return expand_q4_k;
    case TensorType::kQ5_K:
      return expand_q5_k;
    case TensorType::kQ6_K:
      return expand_q6_k;
    case TensorType::kIQ4_NL:
      return expand_iq4_nl;
  }
  CHECK(false, "model files are checked for types when they are opened");
}

}  // namespace

void expand_row(TensorType type, const std::byte* row, std::int32_t k, float* out) {
  const BlockShape shape = block_shape(type);
  const ExpandBlock expand = expander(type);
  auto* block = reinterpret_cast<Bytes>(row);
  for (std::int32_t i = 0; i < k; i += static_cast<std::int32_t>(shape.values)) {
    expand(block, out + i);
    block += shape.bytes;
  }
}

}  // namespace troupe::kernels::reference

// Random weight rows of any storage type, and random floats, from a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/linear.hpp"

namespace troupe::kernels {

inline std::vector<float> random_floats(std::size_t count, std::uint32_t seed) {
  std::mt19937 bits(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(bits() >> 8) * 0x1p-23F - 1.0F;  // [-1, 1)
  return values;
}

// Where in its block a type keeps the scale that is a half.
inline std::size_t scale_position(TensorType type) {
  if (type == TensorType::kQ2_K) return 80;
  if (type == TensorType::kQ3_K) return 108;
  return type == TensorType::kQ6_K ? 208 : 0;
}

// Every bit pattern of the quants occurs; halves (scales) get exponents that keep values within
// about ±16, with a denormal one now and then.
inline std::vector<std::byte> random_weights(TensorType type,
                                             std::int32_t k,
                                             std::int32_t n,
                                             std::uint32_t seed) {
  const BlockShape shape = block_shape(type);
  const std::size_t bytes = row_bytes(type, k) * static_cast<std::size_t>(n);
  std::mt19937 bits(seed);
  std::vector<std::byte> data(bytes);
  for (std::byte& byte : data) byte = static_cast<std::byte>(bits());
  const auto put_half = [&](std::size_t at) {
    const std::uint32_t exponent = bits() % 50 == 0 ? 0 : 4 + bits() % 4;
    const auto half = static_cast<std::uint16_t>((bits() & 0x83FFU) | exponent << 10);
    std::memcpy(&data[at], &half, sizeof half);
  };
  if (type == TensorType::kF32) {
    const std::vector<float> values = random_floats(bytes / sizeof(float), seed);
    std::memcpy(data.data(), values.data(), bytes);
    return data;
  }
  for (std::size_t at = 0; at < bytes; at += shape.bytes) {
    if (type == TensorType::kBF16) {
      data[at + 1] = static_cast<std::byte>((bits() & 0x80U) | 0x3EU);
      continue;
    }
    const std::size_t scale_at = at + scale_position(type);
    put_half(scale_at);
    const bool two = type == TensorType::kQ4_1 || type == TensorType::kQ5_1 ||
                     type == TensorType::kQ2_K || type == TensorType::kQ4_K ||
                     type == TensorType::kQ5_K;
    if (two) put_half(scale_at + 2);
  }
  return data;
}

inline constexpr TensorType kAllTypes[] = {TensorType::kF32,
                                           TensorType::kF16,
                                           TensorType::kBF16,
                                           TensorType::kQ4_0,
                                           TensorType::kQ4_1,
                                           TensorType::kQ5_0,
                                           TensorType::kQ5_1,
                                           TensorType::kQ8_0,
                                           TensorType::kQ2_K,
                                           TensorType::kQ3_K,
                                           TensorType::kQ4_K,
                                           TensorType::kQ5_K,
                                           TensorType::kQ6_K,
                                           TensorType::kIQ4_NL};

}  // namespace troupe::kernels

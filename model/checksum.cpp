#include "model/checksum.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace troupe::model {
namespace {

constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15ULL;  // 2^64 over the golden ratio

std::uint64_t mixed(std::uint64_t state, std::uint64_t word) {
  return std::rotl(state ^ word, 29) * kOdd;
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes) {
  constexpr std::size_t kLanes = 8;
  constexpr std::size_t kStride = kLanes * sizeof(std::uint64_t);
  std::array<std::uint64_t, kLanes> lanes{};
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = kOdd * (i + 1);
  std::array<std::uint64_t, kLanes> words{};
  std::size_t at = 0;
  for (; at + kStride <= bytes.size(); at += kStride) {
    std::memcpy(words.data(), bytes.data() + at, kStride);
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = mixed(lanes[i], words[i]);
  }
  words = {};
  std::memcpy(words.data(), bytes.data() + at, bytes.size() - at);
  std::uint64_t state = bytes.size();
  for (std::size_t i = 0; i < kLanes; ++i) state = mixed(state, mixed(lanes[i], words[i]));
  return state ^ state >> 32;
}

std::string hexadecimal(std::uint64_t value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15U];
  return text;
}

}  // namespace troupe::model

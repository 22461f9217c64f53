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

std::uint64_t word_at(const std::byte* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes) {
  constexpr std::size_t kLanes = 8;
  constexpr std::size_t kStride = kLanes * sizeof(std::uint64_t);
  constexpr std::size_t kAhead = 4096;  // the hardware's prefetcher stops at pages
  std::array<std::uint64_t, kLanes> lanes{};
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = kOdd * (i + 1);
  std::size_t at = 0;
  for (; at + kStride <= bytes.size(); at += kStride) {
    __builtin_prefetch(bytes.data() + at + kAhead);
#pragma GCC unroll 8  // lanes stay in registers
    for (std::size_t i = 0; i < kLanes; ++i)
      lanes[i] = mixed(lanes[i], word_at(bytes.data() + at + 8 * i));
  }
  std::array<std::uint64_t, kLanes> words{};
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

#include "model/checksum.hpp"

#include <algorithm>
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

constexpr std::size_t kLanes = 8;
constexpr std::size_t kStride = kLanes * sizeof(std::uint64_t);
static_assert(kPartBytes % kStride == 0, "a part ends where a stride does");

using Lanes = std::array<std::uint64_t, kLanes>;

// Of whole strides.
Lanes mixed(Lanes lanes, const std::byte* bytes, const std::byte* end) {
  constexpr std::size_t kAhead = 4096;  // the hardware's prefetcher stops at pages
  for (; bytes != end; bytes += kStride) {
    __builtin_prefetch(bytes + kAhead);
#pragma GCC unroll 8  // lanes stay in registers
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = mixed(lanes[i], word_at(bytes + 8 * i));
  }
  return lanes;
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes, const std::function<void()>& on_part) {
  Lanes lanes{};
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = kOdd * (i + 1);
  const std::size_t strides_end = bytes.size() / kStride * kStride;
  std::size_t at = 0;
  while (at < strides_end) {
    const std::size_t end = std::min(strides_end, at + kPartBytes);
    lanes = mixed(lanes, bytes.data() + at, bytes.data() + end);
    at = end;
    if (on_part) on_part();
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

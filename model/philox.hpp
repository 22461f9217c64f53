// Counter-based random numbers: a pure function from (key, counter) to 128 bits.
// Philox4x32-10: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
// doi.org/10.1145/2063384.2063405
#pragma once

#include <array>
#include <cstdint>

namespace troupe::model {

constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                              std::array<std::uint32_t, 2> key) {
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = std::uint64_t{counter[0]} * 0xD2511F53U;
    const std::uint64_t b = std::uint64_t{counter[2]} * 0xCD9E8D57U;
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

}  // namespace troupe::model

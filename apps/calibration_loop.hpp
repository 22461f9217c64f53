// The loop of each vector instruction. Included by files of one instruction set, inside whose
// unnamed namespace it stays, so that no other file gets its code.
#pragma once

#include <cstdint>

namespace {

// `multiply(sum, x)` on as many sums as `Products`, in registers. To the compiler all values are
// unknown and different, and used at the end: it can leave nothing out and put nothing together.
template <std::uint64_t Products, typename Vector, typename Multiply>
inline void run_loop(std::uint64_t rounds, Vector x, Multiply multiply) {
  Vector sums[Products] = {};
  asm volatile("" : "+v"(x));
#pragma GCC unroll 16
  for (Vector& sum : sums) asm volatile("" : "+v"(sum));
  for (std::uint64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (Vector& sum : sums) sum = multiply(sum, x);
  }
#pragma GCC unroll 16
  for (Vector& sum : sums) asm volatile("" : "+v"(sum));
}

}  // namespace

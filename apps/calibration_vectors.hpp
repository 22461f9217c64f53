// Register-only loops of the vector instructions that kernels multiply with. Each source file alone
// is compiled for its instruction set, so they share no inline code with the rest.
#pragma once

#include <cstdint>

namespace troupe::apps {

// Of one round, a multiplication and an addition counted apart. Sixteen products that do not wait
// for one another cover a latency of 8 cycles at two a cycle; with the 16 registers of AVX2 twelve
// cover its 5. Latencies: uops.info.
inline constexpr std::uint64_t kAvx512Products = 16;
inline constexpr std::uint64_t kAvx2Products = 12;
inline constexpr std::uint64_t kVnniOperationsPerRound = kAvx512Products * 64 * 2;
inline constexpr std::uint64_t kBf16OperationsPerRound = kAvx512Products * 32 * 2;
inline constexpr std::uint64_t kAvx512FmaOperationsPerRound = kAvx512Products * 16 * 2;
inline constexpr std::uint64_t kAvxVnniOperationsPerRound = kAvx2Products * 32 * 2;
inline constexpr std::uint64_t kAvx2Int8OperationsPerRound = kAvx2Products * 16 * 2;
inline constexpr std::uint64_t kAvx2FmaOperationsPerRound = kAvx2Products * 8 * 2;

}  // namespace troupe::apps

// The CPU has the instruction set of the function that is called.
namespace troupe::apps::avx512 {

void run_vnni(std::uint64_t rounds);  // VPDPBUSD
void run_bf16(std::uint64_t rounds);  // VDPBF16PS
void run_fma(std::uint64_t rounds);   // VFMADD of FP32

}  // namespace troupe::apps::avx512

namespace troupe::apps::avx2 {

// VPMADDWD, or VPMADDUBSW, which is as fast: int8 layers of 256 bits take one such multiplication
// for 16 products, and the addition that joins it runs beside.
void run_int8(std::uint64_t rounds);
void run_fma(std::uint64_t rounds);   // VFMADD of FP32
void run_vnni(std::uint64_t rounds);  // VPDPBUSD of AVX-VNNI, which the CPU has too then

}  // namespace troupe::apps::avx2

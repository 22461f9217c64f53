#include "apps/calibration.hpp"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <thread>

#include "apps/calibration_amx.hpp"
#include "apps/calibration_vectors.hpp"
#include "apps/machine.hpp"
#include "kernels/cpu/cpu_features.hpp"

namespace troupe::apps {
namespace {

using Clock = std::chrono::steady_clock;

// 17 ms at one tile product every 16 cycles and 2.5 GHz.
constexpr std::uint64_t kAmxRounds = 333'333;
// 5 ms at two products a cycle and 4 GHz, 15 at one and 2.7.
constexpr std::uint64_t kVectorRounds = 2'500'000;
// The fastest counts: nothing shall seem to beat a limit because a core woke up late or the first
// pass had to write back what made the memory.
constexpr int kLimitPasses = 3;
// Far beyond any cache, so that memory is what is read.
constexpr std::size_t kReadBytes = std::size_t{512} << 20;

// CPUID leaf 7, EDX: Intel 64 and IA-32 manual, volume 2, CPUID.
constexpr unsigned kAmxTileBit = 1U << 24U;
constexpr unsigned kAmxInt8Bit = 1U << 25U;

bool cpu_has_amx() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (edx & kAmxTileBit) != 0 && (edx & kAmxInt8Bit) != 0;
}

// Linux hands out tile state on request (docs.kernel.org/arch/x86/xstate.html); threads started
// afterwards inherit the permission.
bool may_use_amx() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureTileData = 18;
  return cpu_has_amx() && syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureTileData) == 0;
}

// Seconds until the last of `threads` threads has done `work`, which gets the thread's index.
double time_on(int threads, const std::function<void(int)>& work) {
  const auto start = Clock::now();
  std::vector<std::thread> pool;
  for (int index = 0; index < threads; ++index) pool.emplace_back(work, index);
  for (std::thread& thread : pool) thread.join();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double fastest_on(int threads, const std::function<void(int)>& work) {
  double seconds = std::numeric_limits<double>::infinity();
  for (int pass = 0; pass < kLimitPasses; ++pass)
    seconds = std::min(seconds, time_on(threads, work));
  return seconds;
}

// A loop of products in registers.
struct Loop {
  void (*run)(std::uint64_t rounds);
  std::uint64_t rounds;
  std::uint64_t operations_per_round;
};

constexpr Loop kAmxInt8{amx::run_rounds, kAmxRounds, amx::kOperationsPerRound};
constexpr Loop kAvx512Int8{avx512::run_vnni, kVectorRounds, kVnniOperationsPerRound};
constexpr Loop kAvx512Bf16{avx512::run_bf16, kVectorRounds, kBf16OperationsPerRound};
constexpr Loop kAvx512Fp32{avx512::run_fma, kVectorRounds, kAvx512FmaOperationsPerRound};
constexpr Loop kAvxVnniInt8{avx2::run_vnni, kVectorRounds, kAvxVnniOperationsPerRound};
constexpr Loop kAvx2Int8{avx2::run_int8, kVectorRounds, kAvx2Int8OperationsPerRound};
constexpr Loop kAvx2Fp32{avx2::run_fma, kVectorRounds, kAvx2FmaOperationsPerRound};

std::optional<double> tops(bool is_there, const Loop& loop, int threads) {
  if (!is_there) return std::nullopt;
  const double seconds = fastest_on(threads, [&](int) { loop.run(loop.rounds); });
  return static_cast<double>(loop.rounds * loop.operations_per_round) * threads / seconds / 1e12;
}

// Eight sums at once: a single one would measure the latency of additions. Asks for memory so many
// words ahead, if any.
template <std::size_t kWordsAhead>
std::uint64_t sum_of(std::span<const std::uint64_t> words) {
  std::array<std::uint64_t, 8> sums{};
  for (std::size_t i = 0; i + sums.size() <= words.size(); i += sums.size()) {
    if constexpr (kWordsAhead > 0) __builtin_prefetch(words.data() + i + kWordsAhead);
    for (std::size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += words[i + lane];
  }
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

// As fast as layers may read: they, too, ask for weights some 2 KiB ahead.
double measure_reads(int threads) {
  constexpr std::size_t kAhead = 2048 / sizeof(std::uint64_t);
  const std::vector<std::uint64_t> memory(kReadBytes / sizeof(std::uint64_t), 1);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads));
  const std::size_t share = memory.size() / sums.size();
  const double seconds = fastest_on(threads, [&](int index) {
    const auto thread = static_cast<std::size_t>(index);
    sums[thread] = sum_of<kAhead>(std::span(memory).subspan(share * thread, share));
  });
  // Uses the sums, so that no compiler leaves the reading out: every word is 1.
  const std::uint64_t words = std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
  return static_cast<double>(words * sizeof(std::uint64_t)) / seconds / 1e9;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  if (__builtin_cpu_supports("avx2") != 0) names.emplace_back("avx2");
  if (__builtin_cpu_supports("avx512f") != 0) names.emplace_back("avx512");
  if (__builtin_cpu_supports("avx512vnni") != 0) names.emplace_back("avx512_vnni");
  if (cpu_has_amx()) names.emplace_back("amx_int8");
  return names;
}

}  // namespace

Calibration calibrate(int threads) {
  using namespace kernels;
  return {.amx_int8_tops = tops(may_use_amx(), kAmxInt8, threads),
          .avx512_int8_tops = tops(cpu_has_vnni(), kAvx512Int8, threads),
          .avx512_bf16_tops = tops(cpu_has_bf16(), kAvx512Bf16, threads),
          .avx512_fp32_tops = tops(cpu_has_avx512(), kAvx512Fp32, threads),
          .avx_vnni_int8_tops = tops(cpu_has_avx_vnni(), kAvxVnniInt8, threads),
          .avx2_int8_tops = tops(cpu_has_avx2(), kAvx2Int8, threads),
          .avx2_fp32_tops = tops(cpu_has_avx2(), kAvx2Fp32, threads),
          .memory_read_gb_per_s = measure_reads(threads)};
}

// Empty counts as less than any rate.
Calibration fastest_of(const Calibration& a, const Calibration& b) {
  return {.amx_int8_tops = std::max(a.amx_int8_tops, b.amx_int8_tops),
          .avx512_int8_tops = std::max(a.avx512_int8_tops, b.avx512_int8_tops),
          .avx512_bf16_tops = std::max(a.avx512_bf16_tops, b.avx512_bf16_tops),
          .avx512_fp32_tops = std::max(a.avx512_fp32_tops, b.avx512_fp32_tops),
          .avx_vnni_int8_tops = std::max(a.avx_vnni_int8_tops, b.avx_vnni_int8_tops),
          .avx2_int8_tops = std::max(a.avx2_int8_tops, b.avx2_int8_tops),
          .avx2_fp32_tops = std::max(a.avx2_fp32_tops, b.avx2_fp32_tops),
          .memory_read_gb_per_s = std::max(a.memory_read_gb_per_s, b.memory_read_gb_per_s)};
}

double read_seconds(std::span<const std::span<const std::byte>> ranges, int threads) {
  constexpr int kPasses = 4;
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads));
  const auto pass = [&](int index) {
    const auto thread = static_cast<std::size_t>(index);
    for (const std::span<const std::byte> range : ranges) {
      const std::span words(reinterpret_cast<const std::uint64_t*>(range.data()),
                            range.size() / sizeof(std::uint64_t));
      const std::size_t share = words.size() / sums.size();
      sums[thread] += sum_of<0>(words.subspan(share * thread, share));
    }
  };
  time_on(threads, pass);
  const double seconds = time_on(threads, [&](int index) {
    for (int i = 0; i < kPasses; ++i) pass(index);
  });
  // Uses the sums, so that no compiler leaves the reading out.
  asm volatile("" ::"r"(sums.data()) : "memory");
  return seconds / kPasses;
}

MachineFacts machine_facts() {
  return {.cpu = cpu_name(),
          .cores = std::thread::hardware_concurrency(),
          .memory_bytes = memory_limit().bytes,
          .isa = isa_names()};
}

}  // namespace troupe::apps

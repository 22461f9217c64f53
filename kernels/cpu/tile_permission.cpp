#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/cpu/cpu_features.hpp"

namespace troupe::kernels {
namespace {

// Bits of CPUID leaf 7: TILE, INT8 and BF16 of AMX; g++ 12 has no name for them.
bool cpu_has_tiles() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kTile = 1U << 24;
  constexpr unsigned kInt8 = 1U << 25;
  constexpr unsigned kBf16 = 1U << 22;
  constexpr unsigned kAll = kTile | kInt8 | kBf16;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAll) == kAll;
}

}  // namespace

// docs.kernel.org/arch/x86/xstate.html
bool may_use_tiles() {
  constexpr long kRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  return cpu_has_vnni() && cpu_has_bf16() && cpu_has_tiles() &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace troupe::kernels

// What this CPU has, by CPUID, as the backends need it.
#pragma once

namespace troupe::kernels {

bool cpu_has_avx2();
bool cpu_has_avx512();
bool cpu_has_vnni();  // of 512 bits

// VNNI of 256 bits for CPUs without AVX-512: desktops of Intel's since Alder Lake, Zen 5.
bool cpu_has_avx_vnni();

// What attention on BF16 vectors takes, and BF16 layers and attention beside tiles; every CPU with
// tiles has had all of it.
bool cpu_has_bf16();

// Products of BF16 vectors are twice as fast as FP32 ones on AMD's CPUs (Zen 4 and later) and half
// as fast on Intel's that have tiles, so the choice of itself differs.
bool has_fast_bf16_vectors();

// Whether there is a tile unit, and what the kernels for it need beside it. Asks Linux for it,
// which grants it to every thread of the process from then on. In a file of its own: tests link
// another one, with tiles in software (tests/kernels/emulated_tiles.hpp).
bool may_use_tiles();

}  // namespace troupe::kernels

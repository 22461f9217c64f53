// Which kernels a CPU backend runs: tables of functions, chosen once by CPUID. The files that
// define them, by what their names begin with (`vnni` under _int8 is vnni_int8.cpp; _grouped: q4):
//
//   backend      _int8     _grouped  BF16 layers         _attention   FP32: _linear, _elementwise
//   amx          amx       vnni      amx_bf16            amx          avx512
//   avx512_bf16  vnni      vnni      avx512_bf16_linear  avx512_bf16  avx512
//   avx512       vnni      vnni      reference/bf16      avx512       avx512
//   avx512f      avx2      avx2      reference/bf16      avx512       avx512, but the norm avx2
//   avx_vnni     avx_vnni  avx_vnni  reference/bf16      avx2         avx2
//   avx2         avx2      avx2      reference/bf16      avx2         avx2
//   scalar       all from kernels/reference
//
// _attention is over BF16 and int8 caches; over FP32 ones it is that of the FP32 column. Rows of x
// are rounded in vnni_int8.cpp for amx, in avx2_int8.cpp and avx2_grouped.cpp for avx_vnni, and
// packed in avx512_bf16_pack.cpp for both BF16 backends.
#pragma once

#include <string_view>

#include "kernels/cpu/isa_kernels.hpp"
#include "kernels/device.hpp"

namespace troupe::kernels {

// Attention whole, and in two steps; see isa_kernels.hpp. A backend without the steps has nulls.
struct AttentionOps {
  void (*whole)(const Attention&, const AttentionTile&, float*);
  void (*part)(const Attention&, const AttentionTile&, std::int32_t, float*, float*);
  void (*join)(const Attention&, const AttentionTile&, float*, std::int32_t);
};

// The FP32 kernels of one instruction set.
struct CpuOps {
  void (*expand_row)(TensorType, const std::byte*, std::int32_t, float*);
  void (*linear)(const Linear&, std::int32_t, std::int32_t, float*);
  void (*rms_norm)(const RmsNorm&, std::int32_t, std::int32_t);
  void (*rope_append)(const RopeAppend&, const RopeAppendTile&, float*);
  void (*silu_mul)(const SiluMul&, std::int64_t, std::int64_t);
  AttentionOps attention;
};

// The int8 kernels of one instruction set; they all give the same bits, but for a norm on the way.
struct Int8Ops {
  void (*quantize)(const Quantize&, std::int32_t, std::int32_t, float*);
  void (*linear)(const Int8Linear&, std::int32_t, std::int32_t, float*);
};

// The same bits from each of them, too.
struct GroupedOps {
  void (*round)(const float*, std::int32_t, const GroupedInput&, std::int32_t, std::int32_t);
  void (*linear)(const GroupedLinear&, const GroupedInput&, std::int32_t, std::int32_t);
};

// Without BF16 on tiles or vectors it has no speed to offer: the plain form serves tests.
struct Bf16Ops {
  bool fast;
  void (*pack)(const PackBf16&, std::int32_t, std::int32_t, float*);
  void (*linear)(const Bf16Linear&, std::int32_t, std::int32_t, float*);
};

struct CpuKernels {
  std::string_view name;
  const CpuOps& ops;
  const Int8Ops& int8;
  const GroupedOps& grouped;
  const Bf16Ops& bf16;
  const AttentionOps& rounded_attention;  // over keys and values of BF16 or int8
};

// Throws config::UserError when this CPU lacks the backend, naming what it has.
CpuKernels choose_cpu_kernels(CpuBackend wanted);

}  // namespace troupe::kernels

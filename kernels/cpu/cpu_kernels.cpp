// The tables, and the choice among them.
#include "kernels/cpu/cpu_kernels.hpp"

#include <string>

#include "config/user_error.hpp"
#include "kernels/cpu/cpu_features.hpp"
#include "kernels/reference/reference.hpp"

namespace troupe::kernels {
namespace {

constexpr CpuOps kAvx512Ops{avx512::expand_row,
                            avx512::linear,
                            avx512::rms_norm,
                            avx512::rope_append,
                            avx512::silu_mul,
                            {avx512::attention, avx512::attention_part, avx512::attention_join}};
// The norm adds in the order of the one before its int8 layers, which have 256 bits.
constexpr CpuOps kAvx512FOps{avx512::expand_row,
                             avx512::linear,
                             avx2::rms_norm,
                             avx512::rope_append,
                             avx512::silu_mul,
                             kAvx512Ops.attention};
constexpr CpuOps kAvx2Ops{avx2::expand_row,
                          avx2::linear,
                          avx2::rms_norm,
                          avx2::rope_append,
                          avx2::silu_mul,
                          {avx2::attention, avx2::attention_part, avx2::attention_join}};
constexpr CpuOps kScalarOps{
    reference::expand_row,
    reference::linear,
    reference::rms_norm,
    reference::rope_append,
    reference::silu_mul,
    {[](const Attention& op, const AttentionTile& tile, float*) { reference::attention(op, tile); },
     nullptr,
     nullptr}};
constexpr AttentionOps kAvx512Bf16Attention{
    avx512_bf16::attention, avx512_bf16::attention_part, avx512_bf16::attention_join};
constexpr AttentionOps kAmxAttention{amx::attention, amx::attention_part, amx::attention_join};

constexpr Int8Ops kAmxInt8Ops{vnni::quantize, amx::int8_linear};
constexpr Int8Ops kVnniInt8Ops{vnni::quantize, vnni::int8_linear};
constexpr Int8Ops kAvxVnniInt8Ops{avx2::quantize, avx_vnni::int8_linear};
constexpr Int8Ops kAvx2Int8Ops{avx2::quantize, avx2::int8_linear};
constexpr Int8Ops kScalarInt8Ops{reference::quantize, reference::int8_linear};

constexpr GroupedOps kVnniGroupedOps{vnni::group_rows, vnni::grouped_linear};
constexpr GroupedOps kAvxVnniGroupedOps{avx2::group_rows, avx_vnni::grouped_linear};
constexpr GroupedOps kAvx2GroupedOps{avx2::group_rows, avx2::grouped_linear};
constexpr GroupedOps kScalarGroupedOps{reference::group_rows, reference::grouped_linear};

constexpr Bf16Ops kAmxBf16Ops{true, avx512_bf16::pack_bf16, amx::bf16_linear};
constexpr Bf16Ops kAvx512Bf16Ops{true, avx512_bf16::pack_bf16, avx512_bf16::bf16_linear};
constexpr Bf16Ops kPlainBf16Ops{false, reference::pack_bf16, reference::bf16_linear};

std::string available_backends() {
  return std::string(may_use_tiles() ? "amx, " : "") +
         std::string(cpu_has_vnni() && cpu_has_bf16() ? "avx512_bf16, " : "") +
         std::string(cpu_has_vnni() ? "avx512, " : "") +
         std::string(cpu_has_avx512() ? "avx512f, " : "") +
         std::string(cpu_has_avx_vnni() ? "avx_vnni, " : "") + (cpu_has_avx2() ? "avx2, " : "") +
         "scalar";
}

CpuKernels kernels_of(CpuBackend backend) {
  switch (backend) {
    case CpuBackend::kAmx:
      return {"amx", kAvx512Ops, kAmxInt8Ops, kVnniGroupedOps, kAmxBf16Ops, kAmxAttention};
    case CpuBackend::kAvx512Bf16:
      return {"avx512_bf16",
              kAvx512Ops,
              kVnniInt8Ops,
              kVnniGroupedOps,
              kAvx512Bf16Ops,
              kAvx512Bf16Attention};
    case CpuBackend::kAvx512:
      return {
          "avx512", kAvx512Ops, kVnniInt8Ops, kVnniGroupedOps, kPlainBf16Ops, kAvx512Ops.attention};
    case CpuBackend::kAvx512F:
      return {"avx512f",
              kAvx512FOps,
              kAvx2Int8Ops,
              kAvx2GroupedOps,
              kPlainBf16Ops,
              kAvx512Ops.attention};
    case CpuBackend::kAvxVnni:
      return {"avx_vnni",
              kAvx2Ops,
              kAvxVnniInt8Ops,
              kAvxVnniGroupedOps,
              kPlainBf16Ops,
              kAvx2Ops.attention};
    case CpuBackend::kAvx2:
      return {"avx2", kAvx2Ops, kAvx2Int8Ops, kAvx2GroupedOps, kPlainBf16Ops, kAvx2Ops.attention};
    case CpuBackend::kAuto:
    case CpuBackend::kScalar:
      break;
  }
  return {
      "scalar", kScalarOps, kScalarInt8Ops, kScalarGroupedOps, kPlainBf16Ops, kScalarOps.attention};
}

bool available(CpuBackend backend) {
  switch (backend) {
    case CpuBackend::kAmx:
      return may_use_tiles();
    case CpuBackend::kAvx512Bf16:
      return cpu_has_vnni() && cpu_has_bf16();
    case CpuBackend::kAvx512:
      return cpu_has_vnni();
    case CpuBackend::kAvx512F:
      return cpu_has_avx512();
    case CpuBackend::kAvxVnni:
      return cpu_has_avx_vnni();
    case CpuBackend::kAvx2:
      return cpu_has_avx2();
    case CpuBackend::kAuto:
    case CpuBackend::kScalar:
      break;
  }
  return true;
}

}  // namespace

CpuKernels choose_cpu_kernels(CpuBackend wanted) {
  if (wanted == CpuBackend::kAuto) {
    for (const CpuBackend backend : {CpuBackend::kAmx,
                                     CpuBackend::kAvx512Bf16,
                                     CpuBackend::kAvx512,
                                     CpuBackend::kAvx512F,
                                     CpuBackend::kAvxVnni,
                                     CpuBackend::kAvx2}) {
      if (backend == CpuBackend::kAvx512Bf16 && !has_fast_bf16_vectors()) continue;
      if (available(backend)) return kernels_of(backend);
    }
    return kernels_of(CpuBackend::kScalar);
  }
  const CpuKernels chosen = kernels_of(wanted);
  if (available(wanted)) return chosen;
  throw config::UserError("--cpu-backend " + std::string(chosen.name) +
                          ": this CPU does not have it; it has " + available_backends() +
                          "; use one of these or auto");
}

CpuBackend parse_cpu_backend(std::string_view text) {
  if (text == "auto") return CpuBackend::kAuto;
  if (text == "amx") return CpuBackend::kAmx;
  if (text == "avx512_bf16") return CpuBackend::kAvx512Bf16;
  if (text == "avx512") return CpuBackend::kAvx512;
  if (text == "avx512f") return CpuBackend::kAvx512F;
  if (text == "avx_vnni") return CpuBackend::kAvxVnni;
  if (text == "avx2") return CpuBackend::kAvx2;
  if (text == "scalar") return CpuBackend::kScalar;
  throw config::UserError(
      "--cpu-backend " + std::string(text) +
      ": unknown; use auto, amx, avx512_bf16, avx512, avx512f, avx_vnni, avx2, or scalar");
}

}  // namespace troupe::kernels

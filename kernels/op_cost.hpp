// What an op has to move and to compute, from its shapes alone: what its time is held against.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/device.hpp"

namespace troupe::kernels {

// Whose limit holds. Int8 of groups, whose sums are rescaled every 32 values of k, is multiplied on
// vectors even beside tiles.
enum class Arithmetic : std::uint8_t { kInt8, kGroupedInt8, kBf16, kFp32 };

struct OpCost {
  std::string_view name;           // int8_linear, attention, …
  std::int64_t k = 0;              // of a linear layer, else 0
  std::int64_t n = 0;              // the same; a sum for layers that share a launch
  std::uint64_t memory_bytes = 0;  // weights and cached keys and values: too much for any cache
  std::uint64_t cache_bytes = 0;   // activations, read and written; they stay in caches
  std::uint64_t operations = 0;    // additions and multiplications, counted apart
  Arithmetic arithmetic = Arithmetic::kFp32;
  std::array<std::span<const std::byte>, 2> weights{};  // of a linear layer; the second: `up`
};

OpCost cost_of(const Linear& op);
OpCost cost_of(const Int8Linear& op);
OpCost cost_of(const GroupedLinear& op);
OpCost cost_of(const Bf16Linear& op);
OpCost cost_of(const Quantize& op);
OpCost cost_of(const PackBf16& op);
OpCost cost_of(const Embedding& op);
OpCost cost_of(const RmsNorm& op);
OpCost cost_of(const RopeAppend& op);
OpCost cost_of(const Attention& op);
OpCost cost_of(const SiluMul& op);

// Of layers that share a launch: one sum, for their time cannot be told apart.
template <typename Layer>
OpCost cost_of(std::span<const Layer> layers) {
  OpCost sum = cost_of(layers.front());
  for (const Layer& layer : layers.subspan(1)) {
    const OpCost cost = cost_of(layer);
    sum.n += cost.n;
    sum.memory_bytes += cost.memory_bytes;
    sum.cache_bytes += cost.cache_bytes;
    sum.operations += cost.operations;
  }
  return sum;
}

}  // namespace troupe::kernels

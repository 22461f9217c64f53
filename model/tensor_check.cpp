#include "model/tensor_check.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>
#include <vector>

#include "kernels/embedding.hpp"

namespace troupe::model {
namespace {

// Rows do not matter here, so the tensor is cut into pieces of whole blocks of any type, of which a
// few are expanded at a time: 1 MiB stays in the cache.
constexpr std::uint64_t kPieceValues = 1U << 14;
constexpr std::uint64_t kPieces = 16;

std::uint64_t count_not_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7F800000U;  // all ones in what is not finite
  std::uint32_t count = 0;
  for (const float value : values)
    count += (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent ? 1U : 0U;
  return count;
}

}  // namespace

std::uint64_t count_not_finite(const TensorInfo& tensor, kernels::Device& device) {
  const kernels::BlockShape block = kernels::block_shape(tensor.type);
  std::vector<float> values(kPieceValues * kPieces);
  std::vector<std::int32_t> ids(kPieces);
  std::iota(ids.begin(), ids.end(), 0);
  std::uint64_t left = tensor.data.size() / block.bytes * block.values;
  const std::byte* table = tensor.data.data();
  std::uint64_t count = 0;
  while (left > 0) {
    const std::uint64_t pieces = std::clamp<std::uint64_t>(left / kPieceValues, 1, kPieces);
    const std::uint64_t piece = std::min(left, kPieceValues);
    device.run(kernels::Embedding{.type = tensor.type,
                                  .table = table,
                                  .ids = ids.data(),
                                  .out = values.data(),
                                  .tokens = static_cast<std::int32_t>(pieces),
                                  .k = static_cast<std::int32_t>(piece)});
    count += count_not_finite(std::span(values).first(pieces * piece));
    table += pieces * piece / block.values * block.bytes;
    left -= pieces * piece;
  }
  return count;
}

}  // namespace troupe::model

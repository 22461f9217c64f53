// The storage types of tensors in model files, and how many bytes a run of values takes in each.
// Block layouts: github.com/ggml-org/ggml/blob/master/src/ggml-common.h
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe::kernels {

// Values are GGUF's own type numbers.
enum class TensorType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kBF16 = 30,
};

struct BlockShape {
  std::uint32_t values = 0;  // values in one block; 0: the type is not supported
  std::uint32_t bytes = 0;   // bytes of one block
};

// {0, 0} for a type number that is not in TensorType.
BlockShape block_shape(TensorType type);
std::string_view type_name(TensorType type);

}  // namespace troupe::kernels

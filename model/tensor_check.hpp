// Looks at every value of a tensor for damage that a format cannot rule out.
#pragma once

#include <cstdint>

#include "kernels/device.hpp"
#include "model/model_file.hpp"

namespace troupe::model {

// How many values, as they are computed with, are infinite or not numbers: a damaged scale spoils
// its whole block. The tensor's type must be a supported one.
std::uint64_t count_not_finite(const TensorInfo& tensor, kernels::Device& device);

}  // namespace troupe::model

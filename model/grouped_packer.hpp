// Lays a matrix of a model file out for grouped layers (kernels/grouped_layout.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/device.hpp"
#include "kernels/grouped_layout.hpp"
#include "model/weights.hpp"

namespace troupe::model {

// Bits that a grouped layer keeps of weights of this type. Blocks of 4, 5 and 8 bits keep their own
// grid (scales and minima in FP16, as most of them have), and so does IQ4_NL, in the 8 bits that
// its table spans. 2, 3 and 6 bits in groups of 16 become 4, 5 and 8 in groups of 32, far finer
// than the error that they have made already; wider ones become 4. These get the scale and minimum
// of least squared error.
std::int32_t grouped_bits(kernels::TensorType type);

// `blocks`: zeroed, grouped_bytes(…) of it. Bits do not depend on the number of threads.
void pack_grouped(const Matrix& from, kernels::Device& device, std::span<std::byte> blocks);

}  // namespace troupe::model

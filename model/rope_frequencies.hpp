// The speeds at which the pairs of a head turn: what all RoPE scalings come down to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/architecture.hpp"

namespace troupe::model {

// [head_dim / 2], radians a position. A function of the model alone, never of a sequence's length:
// docs/decisions/0019-rope-scalings.md.
std::vector<double> rope_frequencies(const Architecture& architecture);

// Tells shapes, rotations and norms apart that a file's metadata state and the fingerprint of its
// weights does not see: part of whatever is kept for a model.
std::string architecture_id(const Architecture& architecture);

// none, linear, yarn, dynamic, llama3.
std::string_view rope_scaling_name(const Architecture& architecture);

}  // namespace troupe::model

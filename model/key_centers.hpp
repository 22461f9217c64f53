// What the keys of a layer have in common when the model adds a bias to them: what a cache may
// leave out, because it adds the same to all scores of a query.
#pragma once

#include <complex>
#include <cstdint>
#include <span>

namespace troupe::model {

using Turn = std::complex<double>;  // of a pair of dimensions

// The mean of e^(i · frequency · position) over the positions 0 … count - 1, from two sines: a
// geometric series (the Dirichlet kernel). `frequency` in radians a position, in [0, 2π).
Turn mean_turn(double frequency, std::int32_t count);

// A head's bias, turned by each pair's mean turn. `interleaved` as in kernels::RopeAppend.
void find_key_center(std::span<const float> bias,  // [head_dim]
                     std::span<const Turn> turns,  // [head_dim / 2]
                     bool interleaved,
                     std::span<float> center);  // [head_dim]

}  // namespace troupe::model

// Turns the weights of a model file into packed int8: smooths, folds, rotates, rounds.
// Smoothing: Xiao et al., "SmoothQuant", arxiv.org/abs/2211.10438. Rotation: Ashkboos et al.,
// "QuaRot", arxiv.org/abs/2404.00456
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "kernels/device.hpp"
#include "model/calibration.hpp"
#include "model/packed_layout.hpp"
#include "model/weights.hpp"

namespace troupe::model {

// What packing tells on its way; either may be empty.
struct PackingSteps {
  std::function<void(const std::string&)> progress;
  std::function<void()> layer_done;  // all that was read and written so far is no longer needed
};

// Fills `payload` ([layout.bytes], zeroed, 64-byte aligned, memory of the host).
//
// Every input channel i is divided by s[i] = x[i]^0.6 / w[i]^0.4 of the peaks (over their mean) and
// its weights multiplied by it; the division is folded into what produced the input: the norm
// before query/key/value, gate/up and head, the rows of up before down, the rows of value (and its
// bias) before the attention's output, where the heads that share a KV head share s. Then rows of
// weights are rotated in blocks of 64, and rounded with one scale a row.
//
// Rows are expanded one by one, so that memory stays at the payload's size. Bits do not depend on
// the number of threads.
void pack_weights(const Weights& weights,
                  const Architecture& architecture,
                  const Peaks& peaks,
                  kernels::Device& device,
                  const PackedLayout& layout,
                  std::span<std::byte> payload,
                  const PackingSteps& steps);

}  // namespace troupe::model

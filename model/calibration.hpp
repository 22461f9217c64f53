// Runs a fixed text through the FP32 engine and keeps the largest magnitude of every input channel
// of its linear layers: what smoothing needs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/device.hpp"

namespace troupe::model {

class ModelFile;

// Places where linear layers read: four in each layer, then the head.
enum class Input : std::int32_t { kAttention, kAttentionOutput, kFeedForward, kDown };
inline constexpr std::int32_t kInputsPerLayer = 4;

constexpr std::int32_t input_site(std::int32_t layer, Input input) {
  return layer * kInputsPerLayer + static_cast<std::int32_t>(input);
}

// The largest |x| of each channel of each site; the head is the last.
using Peaks = std::vector<std::vector<float>>;

// About 2,500 tokens of prose, code and Chinese. A change of it makes every packed file stale.
extern const std::string_view kCalibrationText;

// `progress` may be empty. A file without a vocabulary is calibrated on arbitrary ids.
Peaks measure_peaks(const ModelFile& file,
                    kernels::Device& device,
                    const std::function<void(const std::string&)>& progress);

}  // namespace troupe::model

#include "model/packed_weights.hpp"

#include <utility>

#include "model/calibration.hpp"
#include "model/checksum.hpp"
#include "model/model_file.hpp"
#include "model/packer.hpp"
#include "model/rope_frequencies.hpp"

namespace troupe::model {
namespace {

// Goes up with any change of the layout or of the packer.
constexpr int kPackedVersion = 2;

// What packed weights depend on beside the model's weights: layout and packer, the text that they
// are calibrated on, and the model's shape, rotations and norms.
std::string packed_key(const Architecture& architecture) {
  const std::uint64_t text = checksum(std::as_bytes(std::span(kCalibrationText)));
  return "default-v" + std::to_string(kPackedVersion) + "-" + hexadecimal(text) +
         architecture_id(architecture);
}

}  // namespace

PackedWeights::PackedWeights(PackedLayout layout, std::shared_ptr<const PackedStorage> storage)
    : layout_(std::move(layout)), storage_(std::move(storage)), payload_(storage_->payload()) {}

kernels::Int8Weights PackedWeights::matrix(const PackedMatrix& m) const {
  return {.tiles = reinterpret_cast<const std::int8_t*>(payload_.data() + m.tiles),
          .scales = floats(m.scales),
          .sums = reinterpret_cast<const std::int32_t*>(payload_.data() + m.sums),
          .n = m.n,
          .k = m.k};
}

const float* PackedWeights::floats(std::size_t offset) const {
  return reinterpret_cast<const float*>(payload_.data() + offset);
}

PackedWeights open_packed_weights(const ModelFile& file,
                                  const Architecture& architecture,
                                  const Weights& weights,
                                  kernels::Device& device,
                                  const WeightsOptions& options) {
  PackedLayout layout = packed_layout(architecture);
  const auto fill = [&](std::span<std::byte> payload, const std::function<void()>& let_go) {
    const Peaks peaks = measure_peaks(file, device, options.progress);
    const auto layer_done = [&] {
      file.let_go();
      let_go();
    };
    pack_weights(
        weights, architecture, peaks, device, layout, payload, {options.progress, layer_done});
  };
  auto storage = open_or_pack({.file = options.packed_file,
                               .memory_file = options.packed_memory,
                               .payload_bytes = layout.bytes,
                               .source = file,
                               .key = packed_key(architecture),
                               .fill = fill,
                               .on_waiting = options.on_waiting,
                               .progress = options.progress,
                               .notice = options.notice,
                               .on_part = options.on_part});
  return {std::move(layout), std::move(storage)};
}

}  // namespace troupe::model

#include "model/packed_weights.hpp"

#include <utility>

#include "model/calibration.hpp"
#include "model/checksum.hpp"
#include "model/gguf.hpp"
#include "model/packed_file.hpp"
#include "model/packer.hpp"

namespace troupe::model {
namespace {

// Goes up with any change of the layout or of the packer.
constexpr int kPackedVersion = 1;

// What the packed weights were made of.
std::string packed_key(const GgufFile& file) {
  const std::uint64_t text = checksum(std::as_bytes(std::span(kCalibrationText)));
  return weights_fingerprint(file) + "-default-v" + std::to_string(kPackedVersion) + "-" +
         hexadecimal(text);
}

}  // namespace

class PackedWeights::Storage {
 public:
  Storage(MappedBytes bytes, std::uint64_t checksum_of_payload)
      : bytes_(std::move(bytes)), checksum_(checksum_of_payload) {}

  std::span<const std::byte> payload() const {
    return std::span<const std::byte>(bytes_.bytes()).subspan(kPackedHeaderBytes);
  }

  std::uint64_t checksum() const { return checksum_; }

 private:
  MappedBytes bytes_;
  std::uint64_t checksum_;
};

PackedWeights::PackedWeights(PackedLayout layout, std::shared_ptr<const Storage> storage)
    : layout_(std::move(layout)),
      storage_(std::move(storage)),
      payload_(storage_->payload()),
      hash_(hexadecimal(storage_->checksum())) {}

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

PackedWeights open_packed_weights(const GgufFile& file,
                                  const Architecture& architecture,
                                  const Weights& weights,
                                  kernels::Device& device,
                                  const WeightsOptions& options) {
  using Storage = PackedWeights::Storage;
  PackedLayout layout = packed_layout(architecture);
  const std::size_t bytes = kPackedHeaderBytes + layout.bytes;
  const std::string key = packed_key(file);
  const auto open_existing = [&]() -> std::shared_ptr<const Storage> {
    std::optional<MappedBytes> mapping = map_packed_file(options.packed_file, bytes);
    if (!mapping) return nullptr;
    const std::optional<std::uint64_t> hash = verify_packed(mapping->bytes(), key);
    if (!hash) return nullptr;
    return std::make_shared<const Storage>(std::move(*mapping), *hash);
  };
  const auto fill = [&](std::span<std::byte> all) {
    const Peaks peaks = measure_peaks(file, device, options.progress);
    pack_weights(weights,
                 architecture,
                 peaks,
                 device,
                 layout,
                 all.subspan(kPackedHeaderBytes),
                 options.progress);
    return seal_packed(all, key);
  };
  if (!options.packed_file.empty()) {
    if (auto storage = open_existing()) return {std::move(layout), std::move(storage)};
    if (auto draft = PackedFileDraft::create(options.packed_file, bytes)) {
      fill(draft->bytes());
      if (draft->publish()) {
        if (auto storage = open_existing()) return {std::move(layout), std::move(storage)};
      }
    }
    if (options.progress)
      options.progress(options.packed_file.string() +
                       " cannot be written: packed weights stay in memory");
  }
  MappedBytes memory = anonymous_bytes(bytes);
  const std::uint64_t hash = fill(memory.bytes());
  return {std::move(layout), std::make_shared<const Storage>(std::move(memory), hash)};
}

}  // namespace troupe::model

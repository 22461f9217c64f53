// The packed int8 weights of a model: mapped from a cache file beside it, or made when there is
// none that fits.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "kernels/device.hpp"
#include "kernels/int8_linear.hpp"
#include "model/packed_layout.hpp"
#include "model/packed_storage.hpp"
#include "model/precision.hpp"
#include "model/weights.hpp"

namespace troupe::model {

class ModelFile;

class PackedWeights {
 public:
  PackedWeights(PackedLayout layout, std::shared_ptr<const PackedStorage> storage);

  const PackedLayout& layout() const { return layout_; }

  kernels::Int8Weights matrix(const PackedMatrix& matrix) const;
  const float* floats(std::size_t offset) const;

  const std::string& id() const { return storage_->id(); }

 private:
  PackedLayout layout_;
  std::shared_ptr<const PackedStorage> storage_;
  std::span<const std::byte> payload_;
};

// Maps options.packed_file read-only when it is whole and made of these weights by this version;
// else calibrates, packs, and writes it (under another name first, then renamed, so that nobody
// sees half of one). Where the file cannot be written the weights stay in this process's memory.
//
// A file is trusted for nothing but its bytes: its size must be what the model's shape asks for,
// and header and payload must have the checksums that the header states. (Reading the payload once
// costs what the first token would cost anyway, and any int8 is a valid weight.)
PackedWeights open_packed_weights(const ModelFile& file,
                                  const Architecture& architecture,
                                  const Weights& weights,
                                  kernels::Device& device,
                                  const WeightsOptions& options);

}  // namespace troupe::model

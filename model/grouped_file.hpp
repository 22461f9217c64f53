// The grouped form of a model's matrices: mapped from a cache file beside it, or made when there is
// none that fits. Precision::kQ4 computes with it.
#pragma once

#include <memory>

#include "kernels/device.hpp"
#include "model/packed_storage.hpp"
#include "model/precision.hpp"
#include "model/weights.hpp"

namespace troupe::model {

class ModelFile;

// Fills the grouped views of all matrices (the embedding apart, which is only looked up) with
// memory of the storage that it returns; null for other precisions than kQ4. Nothing is calibrated:
// weights keep the file's own grid.
std::shared_ptr<const PackedStorage> open_grouped_weights(const ModelFile& file,
                                                          Weights& weights,
                                                          kernels::Device& device,
                                                          const WeightsOptions& options);

}  // namespace troupe::model

#include "model/grouped_file.hpp"

#include <string>
#include <vector>

#include "model/grouped_packer.hpp"
#include "model/model_file.hpp"

namespace troupe::model {
namespace {

// Goes up with any change of the layout or of the packer.
constexpr int kGroupedVersion = 1;

// In the order of the payload.
std::vector<Matrix*> matrices_of(Weights& weights) {
  std::vector<Matrix*> all;
  for (LayerWeights& w : weights.layers) {
    for (Matrix* matrix :
         {&w.query, &w.key, &w.value, &w.attention_output, &w.gate, &w.up, &w.down})
      all.push_back(matrix);
  }
  all.push_back(&weights.head);
  return all;
}

std::size_t bytes_of(const Matrix& m) {
  return kernels::grouped_bytes(grouped_bits(m.type), m.rows, m.columns);
}

}  // namespace

std::shared_ptr<const PackedStorage> open_grouped_weights(const ModelFile& file,
                                                          Weights& weights,
                                                          kernels::Device& device,
                                                          const WeightsOptions& options) {
  if (options.precision != Precision::kQ4) return nullptr;
  const std::vector<Matrix*> matrices = matrices_of(weights);
  std::size_t bytes = 0;
  for (const Matrix* matrix : matrices) bytes += bytes_of(*matrix);
  const auto fill = [&](std::span<std::byte> payload, const std::function<void()>& let_go) {
    if (options.progress) options.progress("first use of this model: packing weights for q4");
    std::size_t at = 0;
    for (const Matrix* matrix : matrices) {
      pack_grouped(*matrix, device, payload.subspan(at, bytes_of(*matrix)));
      at += bytes_of(*matrix);
      file.let_go();
      let_go();
    }
  };
  auto storage = open_or_pack({.file = options.packed_file,
                               .memory_file = options.packed_memory,
                               .payload_bytes = bytes,
                               .source = file,
                               .key = "q4-v" + std::to_string(kGroupedVersion),
                               .fill = fill,
                               .on_waiting = options.on_waiting,
                               .progress = options.progress,
                               .notice = options.notice,
                               .on_part = options.on_part});
  const std::byte* blocks = storage->payload().data();
  for (Matrix* matrix : matrices) {
    matrix->grouped = {blocks, grouped_bits(matrix->type), matrix->rows, matrix->columns};
    blocks += bytes_of(*matrix);
  }
  return storage;
}

}  // namespace troupe::model

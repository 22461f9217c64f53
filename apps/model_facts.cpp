#include "apps/model_facts.hpp"

#include "config/limits.hpp"
#include "model/kv_cache.hpp"

namespace troupe::apps {
namespace {

std::uint64_t unsigned_of(std::int32_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

// Ten arrays of a row each in FP32, and rounded copies of the widest of them for the linear layers.
std::uint64_t scratch_bytes(const model::Architecture& a, std::uint32_t step_tokens) {
  const std::uint64_t queries = unsigned_of(a.heads) * unsigned_of(a.head_dim);
  const std::uint64_t keys = unsigned_of(a.kv_heads) * unsigned_of(a.head_dim);
  const std::uint64_t floats =
      2 * (unsigned_of(a.hidden) + queries + keys) + 3 * unsigned_of(a.feed_forward);
  return floats * step_tokens * sizeof(float);
}

ModelFacts model_facts(const model::GgufFile& file, const model::Architecture& architecture) {
  ModelFacts facts;
  facts.file_bytes = file.size_bytes();
  for (const model::TensorInfo& tensor : file.tensors()) {
    std::uint64_t values = 1;
    for (const std::uint64_t length : tensor.shape) values *= length;
    facts.parameters += values;
    facts.weight_bytes += tensor.data.size();
    TensorTypeFacts& type = facts.tensor_types[std::string(kernels::type_name(tensor.type))];
    ++type.tensors;
    type.bytes += tensor.data.size();
  }
  const std::uint64_t block_bytes =
      model::KvCache::block_bytes(architecture, kernels::KvType::kBf16);
  facts.kv_bytes_per_token = block_bytes / unsigned_of(model::kBlockTokens);
  facts.kv_bytes_full_context =
      block_bytes * unsigned_of(model::blocks_for(architecture.context_max));
  facts.scratch_bytes =
      scratch_bytes(architecture, config::kStepTokensMaxDefault) +
      unsigned_of(architecture.vocab) * config::kSequencesMaxDefault * sizeof(float);
  return facts;
}

}  // namespace troupe::apps

#include "apps/model_facts.hpp"

#include <algorithm>

#include "config/limits.hpp"
#include "kernels/device.hpp"
#include "model/kv_cache.hpp"
#include "model/sampler.hpp"

namespace troupe::apps {
namespace {

std::uint64_t unsigned_of(std::int32_t value) { return static_cast<std::uint64_t>(value); }

// What a thread's kernels expand: 32 rows of the deepest layer, or two splits of attention, which
// take less than 1 MiB for heads of 256 (kernels/cpu/isa_kernels.hpp has the formulas).
std::uint64_t kernel_bytes_of_thread(const model::Architecture& a) {
  constexpr std::uint64_t kAttention = std::uint64_t{1} << 20;
  return kAttention + 32 * sizeof(float) * unsigned_of(std::max(a.feed_forward, a.hidden));
}

}  // namespace

// Ten arrays of a row each in FP32, and rounded copies of the widest of them for the linear layers.
std::uint64_t scratch_bytes(const model::Architecture& a,
                            std::uint32_t step_tokens,
                            std::uint32_t threads) {
  const std::uint64_t queries = unsigned_of(a.heads) * unsigned_of(a.head_dim);
  const std::uint64_t keys = unsigned_of(a.kv_heads) * unsigned_of(a.head_dim);
  const std::uint64_t floats =
      2 * (unsigned_of(a.hidden) + queries + keys) + 3 * unsigned_of(a.feed_forward);
  const std::uint64_t of_thread =
      kernel_bytes_of_thread(a) +
      model::Sampler::bytes(unsigned_of(a.context_max), unsigned_of(a.vocab));
  const std::uint64_t all = threads == 0 ? unsigned_of(kernels::usable_processors()) : threads;
  return floats * step_tokens * sizeof(float) + all * of_thread;
}

ModelFacts model_facts(const model::ModelFile& file, const model::Architecture& architecture) {
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
      scratch_bytes(architecture, config::kStepTokensMaxDefault, 0) +
      unsigned_of(architecture.vocab) * config::kSequencesMaxDefault * sizeof(float);
  return facts;
}

}  // namespace troupe::apps

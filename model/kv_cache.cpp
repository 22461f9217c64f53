#include "model/kv_cache.hpp"

#include <vector>

#include "config/check.hpp"

namespace troupe::model {

static_assert(kBlockTokens == kernels::kKvBlockTokens, "the cache and the kernels page alike");

KvCache::KvCache(kernels::Device& device,
                 const Architecture& architecture,
                 std::int32_t blocks,
                 kernels::KvType type)
    : device_(&device),
      layers_(architecture.layers),
      blocks_(blocks),
      storage_(
          device.allocate(block_bytes(architecture, type) * static_cast<std::uint64_t>(blocks))),
      layer_bytes_(kernels::kv_block_bytes(type, architecture.kv_heads, architecture.head_dim)),
      block_bytes_(block_bytes(architecture, type)),
      kv_heads_(architecture.kv_heads),
      head_dim_(architecture.head_dim),
      type_(type) {}

std::uint64_t KvCache::block_bytes(const Architecture& architecture, kernels::KvType type) {
  return kernels::kv_block_bytes(type, architecture.kv_heads, architecture.head_dim) *
         static_cast<std::uint64_t>(architecture.layers);
}

void KvCache::zero(std::int32_t block) {
  CHECK(block >= 0 && block < blocks_, "blocks are the cache's own");
  const std::vector<std::byte> zeros(block_bytes_);
  device_->copy_to_device(storage_.data() + static_cast<std::uint64_t>(block) * block_bytes_,
                          zeros.data(),
                          zeros.size());
}

void KvCache::prefault(std::int32_t block) {
  CHECK(block >= 0 && block < blocks_, "blocks are the cache's own");
  device_->prefault(storage_.data() + static_cast<std::uint64_t>(block) * block_bytes_,
                    block_bytes_);
}

kernels::KvPool KvCache::layer(std::int32_t index) {
  CHECK(index >= 0 && index < layers_, "the cache was made for this model");
  return {storage_.data() + static_cast<std::uint64_t>(index) * layer_bytes_,
          blocks_,
          kv_heads_,
          head_dim_,
          type_,
          layers_};
}

}  // namespace troupe::model

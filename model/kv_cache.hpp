// The key/value cache: a pool of fixed-size blocks that sequences own by index. A block holds its
// tokens' keys and values of all layers, side by side, so that a new block touches few pages. The
// layout within a layer belongs to the backend.
#pragma once

#include <cstdint>

#include "kernels/attention.hpp"
#include "kernels/device.hpp"
#include "model/architecture.hpp"

namespace troupe::model {

// Tokens in one block: what one tile of values takes (kernels/kv_pool.hpp); a sequence wastes half
// a block on average.
inline constexpr std::int32_t kBlockTokens = 32;

// Blocks that `tokens` take.
constexpr std::int32_t blocks_for(std::int32_t tokens) {
  return (tokens + kBlockTokens - 1) / kBlockTokens;
}

class KvCache {
 public:
  KvCache(kernels::Device& device,
          const Architecture& architecture,
          std::int32_t blocks,
          kernels::KvType type);

  std::int32_t blocks() const { return blocks_; }

  kernels::KvType type() const { return type_; }

  // Bytes that one block takes over all layers.
  static std::uint64_t block_bytes(const Architecture& architecture, kernels::KvType type);

  // Makes every number of a block zero: what was not finite would survive a weight of zero.
  void zero(std::int32_t block);

  // Has a block's memory made (Device::prefault).
  void prefault(std::int32_t block);

  // What the attention kernel reads and writes for one layer.
  kernels::KvPool layer(std::int32_t index);

 private:
  kernels::Device* device_;
  std::int32_t layers_ = 0;
  std::int32_t blocks_ = 0;
  kernels::DeviceBuffer storage_;
  std::uint64_t layer_bytes_ = 0;  // of one block
  std::uint64_t block_bytes_ = 0;  // over all layers
  std::int32_t kv_heads_ = 0;
  std::int32_t head_dim_ = 0;
  kernels::KvType type_;
};

}  // namespace troupe::model

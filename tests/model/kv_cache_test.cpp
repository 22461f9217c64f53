#include "model/kv_cache.hpp"

#include <boost/test/unit_test.hpp>

namespace troupe::model {

BOOST_AUTO_TEST_SUITE(kv_cache)

BOOST_AUTO_TEST_CASE(blocks_cover_tokens) {
  BOOST_TEST(blocks_for(0) == 0);
  BOOST_TEST(blocks_for(1) == 1);
  BOOST_TEST(blocks_for(32) == 1);
  BOOST_TEST(blocks_for(33) == 2);
}

BOOST_AUTO_TEST_CASE(layers_share_the_memory_without_overlap) {
  const auto device = kernels::make_cpu_device(1);
  const Architecture architecture{.layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 24};
  // 2 heads, 32 tokens, twice 24 dimensions in whole tiles of 32, 3 layers
  constexpr std::uint64_t kValues = 2U * 32U * 64U * 3U;
  BOOST_TEST(KvCache::block_bytes(architecture, kernels::KvType::kF32) == kValues * 4);
  BOOST_TEST(KvCache::block_bytes(architecture, kernels::KvType::kBf16) == kValues * 2);
  // and two scales for each token and head
  BOOST_TEST(KvCache::block_bytes(architecture, kernels::KvType::kInt8) ==
             kValues + 2U * 32U * 2U * 4U * 3U);
  for (const auto type : {kernels::KvType::kF32, kernels::KvType::kBf16, kernels::KvType::kInt8}) {
    KvCache cache(*device, architecture, 5, type);
    BOOST_TEST(cache.blocks() == 5);
    const kernels::KvPool first = cache.layer(0);
    const kernels::KvPool last = cache.layer(2);
    const auto layer_bytes = KvCache::block_bytes(architecture, type) / 3 * 5;
    BOOST_TEST(static_cast<std::uint64_t>(last.storage - first.storage) == 2 * layer_bytes);
    BOOST_TEST(last.blocks == 5);
    BOOST_TEST(last.kv_heads == 2);
    BOOST_TEST(last.head_dim == 24);
    last.storage[layer_bytes - 1] = std::byte{1};  // the last byte of all is there
    BOOST_TEST((first.storage[0] == std::byte{0}));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

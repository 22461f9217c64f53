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
  KvCache cache(*device, architecture, 5);
  BOOST_TEST(cache.blocks() == 5);
  // 2 heads, 32 tokens, 24 + 32 values (the latter in whole vectors), 4 bytes, 3 layers
  BOOST_TEST(KvCache::block_bytes(architecture) == 2U * 32U * 56U * 4U * 3U);
  const kernels::KvPool first = cache.layer(0);
  const kernels::KvPool last = cache.layer(2);
  BOOST_TEST(last.storage - first.storage == 2 * 5 * 2 * 32 * 56);
  BOOST_TEST(last.blocks == 5);
  BOOST_TEST(last.kv_heads == 2);
  BOOST_TEST(last.head_dim == 24);
  last.storage[5 * 2 * 32 * 56 - 1] = 1.0F;  // the last float of all is there
  BOOST_TEST(first.storage[0] == 0.0F);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

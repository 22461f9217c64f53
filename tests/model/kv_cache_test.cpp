#include "model/kv_cache.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <span>

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
    const auto layer_bytes = KvCache::block_bytes(architecture, type) / 3;
    BOOST_TEST(static_cast<std::uint64_t>(last.storage - first.storage) == 2 * layer_bytes);
    BOOST_TEST(last.blocks == 5);
    BOOST_TEST(last.layers == 3);
    BOOST_TEST(last.kv_heads == 2);
    BOOST_TEST(last.head_dim == 24);
    last.storage[4 * 3 * layer_bytes + layer_bytes - 1] = std::byte{1};  // the last one is there
    BOOST_TEST((first.storage[0] == std::byte{0}));
  }
}

// Whatever the numbers' type is, all bits zero is zero.
BOOST_AUTO_TEST_CASE(a_zeroed_block_is_zero_in_every_layer_and_its_neighbours_are_untouched) {
  const auto device = kernels::make_cpu_device(1);
  const Architecture architecture{.layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 24};
  const auto is_all = [](std::span<const std::byte> span, std::byte value) {
    return std::ranges::all_of(span, [=](std::byte b) { return b == value; });
  };
  constexpr std::byte kOnes{0xFF};  // not-a-number in every floating type
  for (const auto type : {kernels::KvType::kF32, kernels::KvType::kBf16, kernels::KvType::kInt8}) {
    KvCache cache(*device, architecture, 5, type);
    const std::size_t bytes = KvCache::block_bytes(architecture, type) / 3;  // of a layer
    const auto block = [&](std::int32_t layer, std::size_t index) {
      return std::span(cache.layer(layer).storage + index * 3 * bytes, bytes);
    };
    for (std::int32_t layer = 0; layer < 3; ++layer) {
      for (std::size_t index = 0; index < 5; ++index) std::ranges::fill(block(layer, index), kOnes);
    }
    cache.zero(3);
    for (std::int32_t layer = 0; layer < 3; ++layer) {
      BOOST_TEST(is_all(block(layer, 2), kOnes));
      BOOST_TEST(is_all(block(layer, 3), std::byte{0}));
      BOOST_TEST(is_all(block(layer, 4), kOnes));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

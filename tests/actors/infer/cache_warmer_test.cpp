// Memory of the KV cache is there before it is used, and no more of it than will be used soon.
#include "actors/infer/cache_warmer.hpp"

#include <sys/mman.h>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <memory>
#include <span>

namespace troupe::actors::infer {
namespace {

constexpr std::int32_t kLayers = 2;
constexpr std::int32_t kBlocks = 1000;

struct Cache {
  std::unique_ptr<kernels::Device> device = kernels::make_cpu_device(1);
  model::KvCache cache{*device,
                       {.layers = kLayers, .heads = 2, .kv_heads = 2, .head_dim = 64},
                       kBlocks,
                       kernels::KvType::kBf16};

  std::span<std::byte> block(std::int32_t layer, std::int32_t index) {
    constexpr std::size_t kBytes = 2 * 32 * 2 * 64 * 2;  // heads, tokens, K and V, dims, BF16
    return {cache.layer(layer).storage + static_cast<std::size_t>(index * kLayers) * kBytes,
            kBytes};
  }

  // Whether the page that a block ends in takes memory.
  bool is_there(std::int32_t layer, std::int32_t index) {
    constexpr std::uintptr_t kPage = 4096;
    const auto last = reinterpret_cast<std::uintptr_t>(&block(layer, index).back());
    unsigned char resident = 0;
    BOOST_REQUIRE(mincore(reinterpret_cast<void*>(last / kPage * kPage), 1, &resident) == 0);
    return (resident & 1) != 0;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(cache_warmer)

BOOST_AUTO_TEST_CASE(the_first_blocks_have_memory_before_they_are_used_and_later_ones_not) {
  Cache c;
  BOOST_TEST(!c.is_there(0, 0));
  CacheWarmer warmer(c.cache);
  warmer.note(0);
  BOOST_TEST(warmer.warm() == 0);
  warmer.begin();
  warmer.wait_until_warm();
  BOOST_TEST(warmer.warm() == 1 + CacheWarmer::kAhead);
  for (std::int32_t layer = 0; layer < kLayers; ++layer) {
    BOOST_TEST(c.is_there(layer, 0));
    BOOST_TEST(c.is_there(layer, CacheWarmer::kAhead - 1));
    BOOST_TEST(!c.is_there(layer, kBlocks / 2));
  }
}

BOOST_AUTO_TEST_CASE(it_keeps_ahead_of_the_highest_block_in_use) {
  Cache c;
  CacheWarmer warmer(c.cache);
  warmer.begin();
  warmer.note(500);
  warmer.note(3);
  warmer.wait_until_warm();
  BOOST_TEST(warmer.warm() == 501 + CacheWarmer::kAhead);
  BOOST_TEST(c.is_there(kLayers - 1, 500 + CacheWarmer::kAhead));
}

BOOST_AUTO_TEST_CASE(it_ends_where_the_cache_ends) {
  Cache c;
  CacheWarmer warmer(c.cache);
  warmer.begin();
  warmer.note(kBlocks - 1);
  warmer.wait_until_warm();
  BOOST_TEST(warmer.warm() == kBlocks);
}

BOOST_AUTO_TEST_CASE(what_was_written_stays) {
  Cache c;
  c.block(1, 5).front() = std::byte{7};
  CacheWarmer warmer(c.cache);
  warmer.begin();
  warmer.wait_until_warm();
  BOOST_TEST((c.block(1, 5).front() == std::byte{7}));
  BOOST_TEST((c.block(1, 6).front() == std::byte{0}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::actors::infer

#include "kernels/rope_append.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "tests/kernels/backends.hpp"
#include "tests/kernels/random_weights.hpp"

namespace troupe::kernels {
namespace {

// A prompt of one sequence, its angles, and a cache.
struct Prompt {
  std::int32_t heads, kv_heads, head_dim, tokens, position;
  KvType type;
  bool interleaved;
  bool centered;

  std::size_t floats(std::int32_t count, std::int32_t of_heads) const {
    return static_cast<std::size_t>(count * of_heads * head_dim);
  }

  // What the operation leaves behind.
  struct Result {
    std::vector<float> q;
    std::vector<std::byte> storage;
  };

  Result run(Device& device) const {
    const std::int32_t blocks[] = {1, 0, 2};
    const AttentionSequence sequence{.blocks = blocks, .tokens = tokens, .position = position};
    Result result{random_floats(floats(tokens, heads), 1),
                  std::vector<std::byte>(6 * kv_block_bytes(type, kv_heads, head_dim))};
    auto k = random_floats(floats(tokens, kv_heads), 2);
    auto v = random_floats(floats(tokens, kv_heads), 3);
    v[5] = -std::numeric_limits<float>::denorm_min() * 1e6F;
    k[3] = std::numeric_limits<float>::infinity();
    const auto center = random_floats(floats(1, kv_heads), 6);
    const auto cos = random_floats(floats(position + tokens, 1), 4);
    const auto sin = random_floats(floats(position + tokens, 1), 5);
    device.run(RopeAppend{.pool = {result.storage.data(), 3, kv_heads, head_dim, type, 2},
                          .q = result.q.data(),
                          .k = k.data(),
                          .v = v.data(),
                          .cos = cos.data(),
                          .sin = sin.data(),
                          .key_center = centered ? center.data() : nullptr,
                          .sequences = &sequence,
                          .count = 1,
                          .heads = heads,
                          .spread = kv_spread(type, head_dim),
                          .interleaved = interleaved});
    return result;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(rope_append)

BOOST_AUTO_TEST_CASE(pairs_turn_as_each_layout_orders_them) {
  const std::int32_t block = 0;
  const AttentionSequence sequence{.blocks = &block, .tokens = 1};
  for (const auto& device : all_cpu_devices(1)) {
    std::vector<std::byte> storage(kv_block_bytes(KvType::kF32, 1, 4));
    const std::vector<float> zeros(4);
    RopeAppend op{.pool = {storage.data(), 1, 1, 4, KvType::kF32},
                  .k = zeros.data(),
                  .v = zeros.data(),
                  .sequences = &sequence,
                  .count = 1,
                  .heads = 1};
    const std::vector<float> cos_of_halves = {0, 1, 0, 1};
    const std::vector<float> sin_of_halves = {-1, 0, 1, 0};
    std::vector<float> halves = {1, 2, 3, 4};
    op.q = halves.data();
    op.cos = cos_of_halves.data();
    op.sin = sin_of_halves.data();
    device->run(op);
    const std::vector<float> halves_expected = {
        -3, 2, 1, 4};  // (1, 3) by 90 degrees, (2, 4) not at all
    BOOST_TEST(halves == halves_expected, boost::test_tools::per_element());
    const std::vector<float> cos_of_pairs = {0, 0, 1, 1};
    const std::vector<float> sin_of_pairs = {-1, 1, 0, 0};
    std::vector<float> pairs = {1, 2, 3, 4};
    op.q = pairs.data();
    op.cos = cos_of_pairs.data();
    op.sin = sin_of_pairs.data();
    op.interleaved = true;
    device->run(op);
    const std::vector<float> pairs_expected = {-2, 1, 3, 4};
    BOOST_TEST(pairs == pairs_expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(every_backend_leaves_the_references_bytes_in_the_cache) {
  const auto scalar = make_cpu_device(1, CpuBackend::kScalar);
  for (const KvType type : {KvType::kF32, KvType::kBf16, KvType::kInt8}) {
    for (const bool interleaved : {false, true}) {
      for (const std::int32_t head_dim : {8, 24, 64, 80}) {
        const Prompt prompt{4, 2, head_dim, 50, 29, type, interleaved, head_dim != 64};
        const Prompt::Result expected = prompt.run(*scalar);
        for (const auto& device : all_cpu_devices(2)) {
          const Prompt::Result found = prompt.run(*device);
          BOOST_TEST(found.q == expected.q, device->backend() << " head_dim " << head_dim);
          BOOST_TEST((found.storage == expected.storage),
                     device->backend()
                         << " head_dim " << head_dim << " type " << static_cast<int>(type));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(turning_queries_and_keys_together_keeps_their_product) {
  const std::int32_t block = 0;
  const AttentionSequence sequence{.blocks = &block, .tokens = 1};
  const std::vector<float> ones(64, 1.0F);
  const std::vector<float> zeros(64);
  for (const auto& device : all_cpu_devices(1)) {
    std::vector<float> products;
    for (const std::int32_t spread : {0, 64}) {
      std::vector<std::byte> storage(kv_block_bytes(KvType::kF32, 1, 64));
      auto q = random_floats(64, 7);
      const auto k = random_floats(64, 8);
      device->run(RopeAppend{.pool = {storage.data(), 1, 1, 64, KvType::kF32},
                             .q = q.data(),
                             .k = k.data(),
                             .v = zeros.data(),
                             .cos = ones.data(),
                             .sin = zeros.data(),
                             .sequences = &sequence,
                             .count = 1,
                             .heads = 1,
                             .spread = spread});
      const auto* keys = reinterpret_cast<const float*>(storage.data());
      products.push_back(0.0F);
      for (std::int32_t d = 0; d < 64; ++d)
        products.back() += q[static_cast<std::size_t>(d)] * keys[kv_key_index(KvType::kF32, 0, d)];
    }
    BOOST_TEST(std::abs(products[0] - products[1]) < 1e-5F);
  }
}

BOOST_AUTO_TEST_CASE(tiles_are_the_blocks_that_the_tokens_touch) {
  const AttentionSequence sequences[] = {{.tokens = 1, .position = 31},
                                         {.tokens = 40, .position = 30}};
  const RopeAppend op{.sequences = sequences, .count = 2};
  BOOST_REQUIRE(rope_append_tile_count(op) == 4);
  const std::pair<std::int32_t, std::int32_t> expected[] = {{0, 1}, {0, 2}, {2, 34}, {34, 40}};
  for (std::int32_t i = 0; i < 4; ++i) {
    const RopeAppendTile tile = rope_append_tile(op, i);
    BOOST_TEST(tile.sequence == sequences + (i == 0 ? 0 : 1));
    BOOST_TEST(tile.begin == expected[i].first);
    BOOST_TEST(tile.end == expected[i].second);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

#include "kernels/attention.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/reference/reference.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/kernels/random_weights.hpp"

namespace troupe::kernels {
namespace {

struct Shape {
  std::int32_t heads, kv_heads, head_dim;
};

constexpr Shape kShapes[] = {
    {9, 3, 64}, {14, 2, 64}, {2, 2, 8}, {5, 1, 24}, {4, 1, 128}, {40, 1, 64}, {2, 1, 256}};

constexpr KvType kTypes[] = {KvType::kF32, KvType::kBf16, KvType::kInt8};

// Those of two other layers lie between two blocks.
constexpr std::int32_t kLayers = 3;

// A cache for one sequence in shuffled blocks.
struct Cache {
  Shape shape;
  std::int32_t blocks;
  KvType type = KvType::kF32;
  std::size_t block_bytes = kv_block_bytes(type, shape.kv_heads, shape.head_dim);
  std::vector<std::byte> storage =
      std::vector<std::byte>(static_cast<std::size_t>(blocks * kLayers) * block_bytes);

  // The second layer's.
  KvPool pool() {
    return {storage.data() + block_bytes, blocks, shape.kv_heads, shape.head_dim, type, kLayers};
  }
};

std::size_t values(std::int32_t tokens, std::int32_t heads, std::int32_t head_dim) {
  return static_cast<std::size_t>(tokens * heads * head_dim);
}

void append(Device& device, Cache& cache, const AttentionSequence& sequence, std::uint32_t seed) {
  const Shape& s = cache.shape;
  // Values of a position are the same however the positions are grouped: the whole sequence's are
  // drawn first.
  const auto k =
      random_floats(values(sequence.position + sequence.tokens, s.kv_heads, s.head_dim), seed);
  const auto v = random_floats(k.size(), seed + 1);
  const std::size_t skip = values(sequence.position, s.kv_heads, s.head_dim);
  AttentionSequence from_zero = sequence;
  from_zero.row = 0;
  // Angles of zero: keys are stored as they are.
  const auto end = static_cast<std::size_t>(sequence.position + sequence.tokens);
  const std::vector<float> cos(end * static_cast<std::size_t>(s.head_dim), 1.0F);
  const std::vector<float> sin(cos.size(), 0.0F);
  device.run(RopeAppend{.pool = cache.pool(),
                        .k = k.data() + skip,
                        .v = v.data() + skip,
                        .cos = cos.data(),
                        .sin = sin.data(),
                        .sequences = &from_zero,
                        .count = 1});
}

// Outputs of queries [position, position + tokens) of a sequence that has all its keys in the
// cache.
std::vector<float> attend(Device& device,
                          Cache& cache,
                          const std::int32_t* blocks,
                          std::int32_t position,
                          std::int32_t tokens,
                          const std::vector<float>& all_q) {
  const Shape& s = cache.shape;
  std::vector<float> out(values(tokens, s.heads, s.head_dim));
  const AttentionSequence sequence{
      .blocks = blocks, .row = 0, .tokens = tokens, .position = position};
  device.run(Attention{.pool = cache.pool(),
                       .q = all_q.data() + values(position, s.heads, s.head_dim),
                       .out = out.data(),
                       .sequences = &sequence,
                       .count = 1,
                       .heads = s.heads,
                       .scale = 0.3F});
  return out;
}

std::vector<std::int32_t> shuffled_blocks(std::int32_t count) {
  std::vector<std::int32_t> blocks(static_cast<std::size_t>(count));
  std::iota(blocks.begin(), blocks.end(), 0);
  std::mt19937 bits(3);
  std::shuffle(blocks.begin(), blocks.end(), bits);
  return blocks;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention)

BOOST_AUTO_TEST_CASE(agrees_with_the_reference_across_splits_and_group_sizes) {
  const std::int32_t tokens = 600;  // three splits
  const auto blocks = shuffled_blocks(20);
  const auto scalar = make_cpu_device(1, CpuBackend::kScalar);
  for (const auto& device : all_cpu_devices(2)) {
    for (const Shape& shape : kShapes) {
      for (const KvType type : kTypes) {
        Cache cache{shape, 20, type};
        append(*device, cache, {.blocks = blocks.data(), .tokens = tokens}, 11);
        const auto q = random_floats(values(tokens, shape.heads, shape.head_dim), 13);
        for (const auto& [position, count] : {std::pair{0, 40}, {250, 11}, {599, 1}, {510, 5}}) {
          const auto found = attend(*device, cache, blocks.data(), position, count, q);
          const auto expected = attend(*scalar, cache, blocks.data(), position, count, q);
          // Outputs are averages of values below 1. In FP32 scores of up to 128 terms err by some
          // 2^-18; tiles and BF16 vectors round queries and numerators to 2^-9 of their value, at
          // random.
          const bool rounds = (device->backend() == "amx" || device->backend() == "avx512_bf16") &&
                              type != KvType::kF32;
          const double most = rounds ? 0.006 : 1e-5;
          for (std::size_t i = 0; i < found.size(); ++i) {
            const double error =
                std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
            BOOST_REQUIRE_MESSAGE(error < most,
                                  device->backend() << " head_dim " << shape.head_dim << " at "
                                                    << position << ": " << error);
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_querys_bits_do_not_depend_on_the_chunk_it_came_in) {
  const std::int32_t tokens = 530;
  const auto blocks = shuffled_blocks(20);
  for (const auto& device : all_cpu_devices(2)) {
    if (device->backend() == "scalar") continue;  // one query at a time by construction, and slow
    for (const Shape& shape : kShapes) {
      for (const KvType type : kTypes) {
        Cache cache{shape, 20, type};
        append(*device, cache, {.blocks = blocks.data(), .tokens = tokens}, 17);
        const auto q = random_floats(values(tokens, shape.heads, shape.head_dim), 19);
        const auto whole = attend(*device, cache, blocks.data(), 0, tokens, q);
        for (const auto& [position, count] :
             {std::pair{0, 1}, {31, 2}, {255, 1}, {256, 1}, {250, 13}, {512, 18}}) {
          const auto part = attend(*device, cache, blocks.data(), position, count, q);
          const float* expected = whole.data() + values(position, shape.heads, shape.head_dim);
          BOOST_REQUIRE(std::memcmp(part.data(), expected, part.size() * sizeof(float)) == 0);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(threads_that_share_a_long_sequence_give_the_bits_of_one) {
  const auto blocks = shuffled_blocks(40);
  const auto one = all_cpu_devices(1);
  const auto four = all_cpu_devices(4);
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (const KvType type : kTypes) {
      Cache cache{{4, 2, 32}, 40, type};
      append(*one[i], cache, {.blocks = blocks.data(), .tokens = 1200}, 31);
      const auto q = random_floats(values(1200, 4, 32), 37);
      BOOST_TEST(attend(*one[i], cache, blocks.data(), 1199, 1, q) ==
                     attend(*four[i], cache, blocks.data(), 1199, 1, q),
                 boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(sequences_of_other_lengths_beside_it_change_no_bit_of_one) {
  constexpr Shape kShape{4, 2, 32};
  std::vector<std::int32_t> blocks[3];
  for (std::int32_t i = 0; i < 60; ++i) blocks[i % 3].push_back(i);
  const AttentionSequence sequences[] = {
      {.blocks = blocks[0].data(), .row = 0, .tokens = 1, .position = 10},
      {.blocks = blocks[1].data(), .row = 1, .tokens = 1, .position = 599},
      {.blocks = blocks[2].data(), .row = 2, .tokens = 13, .position = 250}};
  for (const int threads : {1, 4}) {
    for (const auto& device : all_cpu_devices(threads)) {
      for (const KvType type : kTypes) {
        Cache cache{kShape, 60, type};
        for (const auto& own : blocks)
          append(*device, cache, {.blocks = own.data(), .tokens = 600}, 41);
        const auto q = random_floats(values(15, 4, 32), 43);
        std::vector<float> together(q.size());
        Attention op{.pool = cache.pool(),
                     .q = q.data(),
                     .out = together.data(),
                     .sequences = sequences,
                     .count = 3,
                     .heads = 4,
                     .scale = 0.3F};
        device->run(op);
        std::vector<float> alone(q.size());
        op.out = alone.data();
        op.count = 1;
        for (const AttentionSequence& sequence : sequences) {
          op.sequences = &sequence;
          device->run(op);
        }
        BOOST_TEST(together == alone, boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_a_former_owner_left_in_a_block_does_not_matter) {
  const std::int32_t block = 0;
  for (const auto& device : all_cpu_devices(1)) {
    for (const KvType type : kTypes) {
      Cache clean{{4, 2, 16}, 1, type};
      Cache dirty = clean;
      // Every byte 0xFF: not a number as FP32, as BF16 and as a scale.
      std::ranges::fill(dirty.storage, std::byte{0xFF});
      const auto q = random_floats(values(5, 4, 16), 23);
      std::vector<float> out[2];
      for (Cache* cache : {&clean, &dirty}) {
        append(*device, *cache, {.blocks = &block, .tokens = 5}, 29);
        out[cache == &dirty] = attend(*device, *cache, &block, 0, 5, q);
      }
      BOOST_TEST(out[0] == out[1], boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(tiles_cover_every_query_and_head_once) {
  const AttentionSequence sequences[] = {
      {.row = 0, .tokens = 1}, {.row = 1, .tokens = 17}, {.row = 18, .tokens = 8}};
  const Attention op{.pool = {.kv_heads = 3}, .sequences = sequences, .count = 3, .heads = 9};
  std::vector<int> seen(26 * 3);
  for (std::int32_t i = 0; i < attention_tile_count(op); ++i) {
    const AttentionTile tile = attention_tile(op, i);
    for (std::int32_t query = tile.query_begin; query < tile.query_end; ++query) {
      ++seen[static_cast<std::size_t>((tile.sequence->row + query) * 3 + tile.kv_head)];
    }
  }
  BOOST_TEST((std::count(seen.begin(), seen.end(), 1) == 26 * 3));
}

BOOST_AUTO_TEST_CASE(every_tile_names_what_the_one_after_it_reads) {
  const AttentionSequence sequences[] = {
      {.row = 0, .tokens = 1}, {.row = 1, .tokens = 17}, {.row = 18, .tokens = 8}};
  const Attention op{.pool = {.kv_heads = 3}, .sequences = sequences, .count = 3, .heads = 9};
  const std::int32_t last = attention_tile_count(op) - 1;
  for (std::int32_t i = 0; i < last; ++i) {
    const AttentionTile next = attention_tile(op, i + 1);
    BOOST_TEST(attention_tile(op, i).next_sequence == next.sequence);
    BOOST_TEST(attention_tile(op, i).next_kv_head == next.kv_head);
  }
  BOOST_TEST(attention_tile(op, last).next_sequence == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

// What ops cost by their shapes, and the device that adds up what they took.
#include "kernels/op_cost.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "kernels/metering_device.hpp"
#include "kernels/profiling_device.hpp"

namespace troupe::kernels {
namespace {

std::unique_ptr<Device> scalar_device() { return make_cpu_device(1, CpuBackend::kScalar); }

// A layer of 4 columns on 2 rows of 8 values.
struct SmallLayer {
  std::vector<float> weights = std::vector<float>(4 * 8, 1.0F);
  std::vector<float> x = std::vector<float>(2 * 8, 1.0F);
  std::vector<float> y = std::vector<float>(2 * 4);

  Linear op() {
    return {.type = TensorType::kF32,
            .weights = reinterpret_cast<const std::byte*>(weights.data()),
            .x = x.data(),
            .y = y.data(),
            .rows = 2,
            .k = 8,
            .n = 4};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(op_cost)

BOOST_AUTO_TEST_CASE(a_linear_layer_reads_its_weights_once_and_multiplies_them_by_every_row) {
  SmallLayer layer;
  const OpCost cost = cost_of(layer.op());
  BOOST_TEST(cost.memory_bytes == 4U * 8 * sizeof(float));
  BOOST_TEST(cost.operations == 2U * 2 * 4 * 8);
  BOOST_TEST(cost.weights[0].size() == cost.memory_bytes);
  BOOST_TEST(cost.weights[1].empty());
}

BOOST_AUTO_TEST_CASE(int8_weights_cost_their_padding_and_their_columns_scales) {
  alignas(64) static std::int8_t tiles[64 * 64];
  const OpCost cost = cost_of(Int8Linear{.weights = {.tiles = tiles, .n = 40, .k = 60}, .rows = 1});
  BOOST_TEST(cost.memory_bytes == 64U * 64 + 64 * 8);
  BOOST_TEST(cost.operations == 2U * 40 * 60);
  BOOST_TEST((cost.arithmetic == Arithmetic::kInt8));
}

BOOST_AUTO_TEST_CASE(layers_of_groups_are_a_kind_of_int8_of_their_own) {
  const OpCost cost = cost_of(GroupedLinear{.weights = {.bits = 4, .n = 32, .k = 64}, .rows = 1});
  BOOST_TEST((cost.arithmetic == Arithmetic::kGroupedInt8));
}

BOOST_AUTO_TEST_CASE(attention_costs_what_a_causal_mask_leaves) {
  // Three queries at positions 2, 3, 4 meet 3 + 4 + 5 keys; five keys lie in one block.
  const AttentionSequence sequence{.tokens = 3, .position = 2};
  const KvPool pool{.kv_heads = 2, .head_dim = 64, .type = KvType::kBf16};
  const OpCost cost =
      cost_of(Attention{.pool = pool, .sequences = &sequence, .count = 1, .heads = 4});
  BOOST_TEST(cost.operations == 4U * 12 * 4 * 64);
  BOOST_TEST(cost.memory_bytes == kv_block_bytes(KvType::kBf16, 2, 64));
}

BOOST_AUTO_TEST_CASE(a_profile_counts_runs_of_one_shape_together_and_each_matrix_once) {
  ProfilingDevice device(scalar_device());
  SmallLayer layer;
  const Linear op = layer.op();
  device.run(std::span(&op, 1));  // not asked for yet
  device.start();
  device.run(std::span(&op, 1));
  device.run(std::span(&op, 1));
  const std::vector<OpProfile> profiles = device.stop();
  BOOST_TEST_REQUIRE(profiles.size() == 1U);
  BOOST_TEST(profiles[0].runs == 2U);
  BOOST_TEST(profiles[0].cost.operations == 2 * cost_of(op).operations);
  BOOST_TEST(profiles[0].cost.n == 4);
  BOOST_TEST(device.weights_read().size() == 1U);
  BOOST_TEST(layer.y[7] == 8.0F);
}

BOOST_AUTO_TEST_CASE(layers_that_share_a_launch_are_one_entry_with_all_their_columns) {
  ProfilingDevice device(scalar_device());
  SmallLayer first;
  SmallLayer second;
  const std::vector<Linear> ops{first.op(), second.op()};
  device.start();
  device.run(ops);
  const std::vector<OpProfile> profiles = device.stop();
  BOOST_TEST_REQUIRE(profiles.size() == 1U);
  BOOST_TEST(profiles[0].cost.n == 8);
  BOOST_TEST(device.weights_read().size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_meter_adds_up_ops_by_name_until_it_begins_anew) {
  MeteringDevice device(scalar_device());
  SmallLayer layer;
  const Linear op = layer.op();
  const std::vector<Linear> two{op, op};
  std::vector<float> gate(4, 1.0F);
  device.restart();
  device.run(std::span(&op, 1));
  device.run(two);
  device.run(SiluMul{.gate = gate.data(), .up = gate.data(), .out = gate.data(), .values = 4});
  BOOST_TEST_REQUIRE(device.totals().size() == 2U);
  BOOST_TEST(device.totals()[0].name == "linear");
  BOOST_TEST(device.totals()[0].memory_bytes == 3 * cost_of(op).memory_bytes);
  BOOST_TEST(device.totals()[0].operations == 3 * cost_of(op).operations);
  BOOST_TEST(device.totals()[0].ns > 0U);
  BOOST_TEST(device.totals()[1].name == "silu_mul");
  BOOST_TEST(layer.y[7] == 8.0F);
  device.restart();
  BOOST_TEST(device.totals().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels

// Which rows a step computes to the end: those whose logits are wanted.
#include <boost/test/unit_test.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/profiling_device.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/model/tiny_engine.hpp"

namespace troupe::model {
namespace {

BOOST_AUTO_TEST_SUITE(wanted_rows)

// The logits of the last `rows` of a sequence.
std::vector<float> last_rows(const Sequence& sequence, const Engine& engine, std::size_t rows) {
  return {sequence.logits.end() - static_cast<std::ptrdiff_t>(rows * engine.vocab()),
          sequence.logits.end()};
}

void check_wanted_rows(Engine& engine) {
  const auto one = random_tokens(12, 5);
  const auto none = random_tokens(9, 6);
  const auto many = random_tokens(40, 7);
  std::vector<float> expected = last_rows(alone(engine, one, 12), engine, 2);
  const std::vector<float> more = last_rows(alone(engine, many, 40), engine, 33);
  expected.insert(expected.end(), more.begin(), more.end());
  const std::vector<float> continued = last_rows(alone(engine, none, 9), engine, 1);

  const std::int32_t blocks[] = {7, 8, 9, 10};
  const std::span all_blocks(blocks);
  const auto begun = std::span(none).first(8);
  const SequenceSlice slices[] = {{one, 0, all_blocks.subspan(0, 1), 2},
                                  {begun, 0, all_blocks.subspan(1, 1), 0},
                                  {many, 0, all_blocks.subspan(2, 2), 33}};
  std::vector<float> logits(35 * engine.vocab());
  engine.transformer.forward(slices, engine.cache, logits);
  BOOST_TEST(same_bits(logits, expected));
  const SequenceSlice rest{std::span(none).last(1), 8, all_blocks.subspan(1, 1), 1};
  logits.resize(engine.vocab());
  engine.transformer.forward({&rest, 1}, engine.cache, logits);
  BOOST_TEST(same_bits(logits, continued));
}

BOOST_AUTO_TEST_CASE(wanted_rows_are_the_last_ones_whatever_others_want) {
  for (const auto& device : kernels::all_cpu_devices(2)) {
    for (const tests::TinyModel& family : kFamilies) {
      for (const Mode& mode : kModes) {
        BOOST_TEST_CONTEXT(device->backend() << ", " << family.family) {
          Engine engine(family, *device, mode);
          check_wanted_rows(engine);
        }
      }
    }
  }
}

// How often an operation runs in one step whose last `wanted` rows are asked for.
std::uint64_t runs_of(const char* name, const tests::TinyModel& family, std::int32_t wanted) {
  kernels::ProfilingDevice device(kernels::make_cpu_device(1));
  Engine engine(family, device);
  const auto tokens = random_tokens(20, 9);
  const std::int32_t block[] = {3};
  const SequenceSlice slice{tokens, 0, block, wanted};
  std::vector<float> logits(static_cast<std::size_t>(wanted) * engine.vocab());
  device.start();
  engine.transformer.forward({&slice, 1}, engine.cache, logits);
  for (const kernels::OpProfile& op : device.stop())
    if (op.cost.name == std::string_view(name)) return op.runs;
  return 0;
}

BOOST_AUTO_TEST_CASE(a_step_that_wants_no_logits_ends_with_the_last_keys_and_values) {
  for (const tests::TinyModel& family : kFamilies) {
    BOOST_TEST_CONTEXT(family.family) {
      BOOST_TEST(runs_of("rope_append", family, 1) == 2U);
      BOOST_TEST(runs_of("attention", family, 1) == 2U);
      BOOST_TEST(runs_of("rope_append", family, 0) == 2U);
      BOOST_TEST(runs_of("attention", family, 0) == 1U);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::model

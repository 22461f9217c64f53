// Sentences about the emulated tile unit itself; what kernels do with it is in the files that
// kernels_test has as well.
#include "tests/kernels/emulated_tiles.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/cpu_features.hpp"
#include "kernels/device.hpp"

namespace troupe::kernels {

#include "kernels/cpu/body/tile_unit.hpp"

namespace {

BOOST_AUTO_TEST_SUITE(tiles_in_software)

struct Refused {
  std::string why;
};

// What is done within a test's scope throws where the CPU would raise an exception.
struct Throwing {
  Throwing() : before(emulated_tiles::set_fault([](const char* what) { throw Refused{what}; })) {}

  ~Throwing() { emulated_tiles::set_fault(before); }

  Throwing(const Throwing&) = delete;
  Throwing& operator=(const Throwing&) = delete;

  emulated_tiles::Fault before;
};

// Why something is refused; empty: it is not.
template <typename Work>
std::string refusal_of(Work&& work) {
  const Throwing throwing;
  try {
    work();
  } catch (const Refused& refused) {
    return refused.why;
  }
  return {};
}

struct Shape {
  int rows, row_bytes;
};

// Tiles 0, 1, … of these shapes.
void configure_shapes(std::initializer_list<Shape> shapes, int start_row = 0) {
  TileConfig config;
  config.start_row = static_cast<std::uint8_t>(start_row);
  int tile = 0;
  for (const Shape& shape : shapes) {
    config.rows[tile] = static_cast<std::uint8_t>(shape.rows);
    config.bytes_per_row[tile++] = static_cast<std::uint16_t>(shape.row_bytes);
  }
  load_configuration(config);
}

// Sums of 2 × 3 in tile 0, left rows of 8 bytes in 1, right rows of 3 words in 2.
void configure_small() { configure_shapes({{2, 12}, {2, 8}, {2, 12}}); }

BOOST_AUTO_TEST_CASE(the_tile_backend_runs_wherever_its_vectors_do) {
  if (!cpu_has_vnni() || !cpu_has_bf16()) return;
  BOOST_TEST(make_cpu_device(1, CpuBackend::kAmx)->backend() == "amx");
}

BOOST_AUTO_TEST_CASE(a_product_of_bytes_is_the_one_of_the_manual) {
  configure_small();
  const std::int8_t left[2][8] = {{1, 2, 3, 4, 5, 6, 7, 8}, {-1, 0, 0, 0, 0, 0, 0, -128}};
  // Rows of four values of k for each of three columns.
  const std::int8_t right[2][12] = {{1, 1, 1, 1, 0, 0, 0, 1, 2, 0, 0, 0},
                                    {1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, -128}};
  std::int32_t sums[2][3] = {{100, 100, 100}, {0, 0, 0}};
  emulated_tiles::load(0, sums, 12);
  emulated_tiles::load(1, left, 8);
  emulated_tiles::load(2, right, 12);
  emulated_tiles::multiply_int8(0, 1, 2);
  emulated_tiles::store(0, sums, 12);
  const std::vector<std::int32_t> got(&sums[0][0], &sums[0][0] + 6);
  const std::vector<std::int32_t> expected{136, 112, -922, -129, -128, 16382};
  BOOST_TEST(got == expected, boost::test_tools::per_element());
}

// 2^24 takes no single 1 more, so the order of the additions shows: the even values of k are added
// by themselves (2^24 - 2^24 = 0), as are the odd ones (1 + 1), then both.
BOOST_AUTO_TEST_CASE(a_product_of_bf16_adds_even_and_odd_values_of_k_apart) {
  configure_small();
  constexpr std::uint16_t kOne = 0x3F80;
  constexpr std::uint16_t kLarge = 0x4B80;  // 2^24
  constexpr std::uint16_t kMinusLarge = 0xCB80;
  constexpr std::uint16_t kDenormal = 0x0001;
  const std::uint16_t left[2][4] = {{kLarge, kOne, kMinusLarge, kOne}, {kDenormal, 0, 0, 0}};
  std::uint16_t right[2][6];
  for (auto& row : right)
    for (auto& value : row) value = kOne;
  float sums[2][3] = {{1, 2, 3}, {0, 0, 0}};
  emulated_tiles::load(0, sums, 12);
  emulated_tiles::load(1, left, 8);
  emulated_tiles::load(2, right, 12);
  emulated_tiles::multiply_bf16(0, 1, 2);
  emulated_tiles::store(0, sums, 12);
  const std::vector<float> got(&sums[0][0], &sums[0][0] + 6);
  const std::vector<float> expected{3, 4, 5, 0, 0, 0};
  BOOST_TEST(got == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_configuration_is_refused_for_what_raises_a_general_protection_fault) {
  const struct {
    std::size_t byte;
    std::uint8_t value;
    const char* why;
  } changes[] = {{0, 2, "#GP: palettes are 0 and 1"},
                 {2, 1, "#GP: a reserved byte is not zero"},
                 {15, 1, "#GP: a reserved byte is not zero"},
                 {32, 4, "#GP: a reserved byte is not zero"},  // where a ninth tile would be
                 {47, 1, "#GP: a reserved byte is not zero"},
                 {56, 1, "#GP: a reserved byte is not zero"},
                 {63, 1, "#GP: a reserved byte is not zero"},
                 {16, 65, "#GP: rows of more than 64 bytes"},
                 {17, 1, "#GP: rows of more than 64 bytes"},
                 {48, 17, "#GP: more than 16 rows"},
                 {48, 0, "#GP: rows or bytes alone are zero"},
                 {16, 0, "#GP: rows or bytes alone are zero"}};

  for (const auto& change : changes) {
    std::uint8_t config[64] = {};
    config[0] = 1;
    config[16] = 12;
    config[48] = 2;
    BOOST_TEST(refusal_of([&] { emulated_tiles::configure(config); }) == "");
    config[change.byte] = change.value;
    BOOST_TEST_CONTEXT("byte " << change.byte << " is " << int{change.value}) {
      BOOST_TEST(refusal_of([&] { emulated_tiles::configure(config); }) == change.why);
    }
  }
}

BOOST_AUTO_TEST_CASE(products_are_refused_for_tiles_that_do_not_fit) {
  const struct {
    Shape sums, left, right;
    const char* why;
  } products[] = {{{2, 12}, {2, 8}, {2, 12}, ""},
                  {{16, 64}, {16, 64}, {16, 64}, ""},
                  {{0, 0}, {2, 8}, {2, 12}, "#UD: a tile that was not configured"},
                  {{2, 12}, {0, 0}, {2, 12}, "#UD: a tile that was not configured"},
                  {{2, 12}, {2, 8}, {0, 0}, "#UD: a tile that was not configured"},
                  {{2, 10}, {2, 8}, {2, 12}, "#UD: rows are no multiple of 4 bytes"},
                  {{2, 12}, {2, 9}, {2, 12}, "#UD: rows are no multiple of 4 bytes"},
                  {{2, 12}, {2, 8}, {2, 14}, "#UD: rows are no multiple of 4 bytes"},
                  {{3, 12}, {2, 8}, {2, 12}, "#UD: sums and the left operand differ in rows"},
                  {{2, 16}, {2, 8}, {2, 12}, "#UD: sums and the right operand differ in columns"},
                  {{2, 12}, {2, 8}, {3, 12}, "#UD: left columns and right rows differ"}};

  for (const auto& product : products) {
    configure_shapes({product.sums, product.left, product.right});
    for (const auto multiply : {emulated_tiles::multiply_int8, emulated_tiles::multiply_bf16}) {
      BOOST_TEST(refusal_of([&] { multiply(0, 1, 2); }) == product.why);
    }
  }
}

BOOST_AUTO_TEST_CASE(products_are_refused_for_one_tile_twice) {
  configure_shapes({{16, 64}, {16, 64}, {16, 64}});
  for (const auto multiply : {emulated_tiles::multiply_int8, emulated_tiles::multiply_bf16}) {
    BOOST_TEST(refusal_of([&] { multiply(0, 0, 1); }) == "#UD: one tile twice");
    BOOST_TEST(refusal_of([&] { multiply(0, 1, 0); }) == "#UD: one tile twice");
    BOOST_TEST(refusal_of([&] { multiply(0, 1, 1); }) == "#UD: one tile twice");
    BOOST_TEST(refusal_of([&] { multiply(0, 1, 8); }) == "#UD: there are eight tiles");
  }
}

BOOST_AUTO_TEST_CASE(loads_stores_and_zeroes_are_refused_for_tiles_that_cannot_take_them) {
  std::byte memory[16 * 64] = {};
  const auto load = [&] { emulated_tiles::load(0, memory, 64); };
  const auto store = [&] { emulated_tiles::store(0, memory, 64); };
  const auto clear = [] { emulated_tiles::clear(0); };
  configure_shapes({{2, 8}});
  emulated_tiles::release();
  BOOST_TEST(refusal_of(load) == "#UD: a tile that was not configured");
  BOOST_TEST(refusal_of(store) == "#UD: a tile that was not configured");
  BOOST_TEST(refusal_of(clear) == "#UD: a tile that was not configured");
  configure_shapes({{2, 6}});
  BOOST_TEST(refusal_of(load) == "#UD: rows are no multiple of 4 bytes");
  BOOST_TEST(refusal_of(store) == "#UD: rows are no multiple of 4 bytes");
  configure_shapes({{2, 8}}, 2);
  BOOST_TEST(refusal_of(load) == "#UD: the start row is beyond the tile");
  BOOST_TEST(refusal_of(store) == "#UD: the start row is beyond the tile");
}

BOOST_AUTO_TEST_CASE(a_load_begins_at_the_start_row_and_what_follows_any_instruction_at_the_first) {
  const std::int32_t from[2][2] = {{7, 7}, {8, 8}};
  const auto load = [&] { emulated_tiles::load(0, from, 8); };
  const auto stored = [] {
    std::vector<std::int32_t> rows(4);
    emulated_tiles::store(0, rows.data(), 8);
    return rows;
  };
  const auto configure = [] { configure_shapes({{2, 8}, {2, 8}, {2, 8}}, 1); };
  configure();
  load();
  BOOST_TEST(stored() == (std::vector<std::int32_t>{0, 0, 8, 8}), boost::test_tools::per_element());
  const std::function<void()> instructions[] = {load,
                                                stored,
                                                [] { emulated_tiles::clear(0); },
                                                [] { emulated_tiles::multiply_int8(0, 1, 2); },
                                                [] { emulated_tiles::multiply_bf16(0, 1, 2); }};
  for (const auto& instruction : instructions) {
    configure();
    instruction();
    load();
    BOOST_TEST(stored() == (std::vector<std::int32_t>{7, 7, 8, 8}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(palette_0_releases_all_tiles_whatever_else_is_said) {
  configure_small();
  std::uint8_t nothing[64] = {};
  nothing[2] = 1;
  BOOST_TEST(refusal_of([&] { emulated_tiles::configure(nothing); }) == "");
  BOOST_TEST(refusal_of([] { emulated_tiles::clear(0); }) == "#UD: a tile that was not configured");
}

// Without its object here a kernel would come from the library, and run on the CPU's own unit or,
// where there is none, end the process.
BOOST_AUTO_TEST_CASE(each_kernel_for_tiles_runs_on_the_emulated_ones) {
  if (!cpu_has_vnni() || !cpu_has_bf16()) return;
  const auto device = make_cpu_device(2, CpuBackend::kAmx);
  const auto products_of = [&](const auto& op) {
    const std::uint64_t before = emulated_tiles::products_done();
    device->run(op);
    return emulated_tiles::products_done() - before;
  };
  constexpr std::int32_t kRows = 32;
  constexpr std::int32_t kSize = 64;  // of k and n
  // More than any operand takes, all zeros.
  const DeviceBuffer zeros = device->allocate(std::size_t{1} << 16);
  const DeviceBuffer out = device->allocate(std::size_t{1} << 16);
  const auto* bytes = reinterpret_cast<const std::int8_t*>(zeros.data());
  const auto* floats = reinterpret_cast<const float*>(zeros.data());
  auto* y = reinterpret_cast<float*>(out.data());
  const Int8Linear int8{
      .weights = {bytes, floats, reinterpret_cast<const std::int32_t*>(floats), kSize, kSize},
      .x = bytes,
      .x_scale = floats,
      .y = y,
      .rows = kRows,
      .y_stride = kSize};
  // Two tiles of rows, four of columns, and one depth of 64.
  BOOST_TEST(products_of(std::span(&int8, 1)) == 2U * 4 * 1);
  const Bf16Linear bf16{.type = TensorType::kF32,
                        .weights = zeros.data(),
                        .x = reinterpret_cast<const Bf16*>(zeros.data()),
                        .y = y,
                        .rows = kRows,
                        .k = kSize,
                        .n = kSize};
  BOOST_TEST(products_of(std::span(&bf16, 1)) > 0U);
  const std::int32_t block = 0;
  const AttentionSequence sequence{.blocks = &block, .tokens = kRows};
  const Attention attention{.pool = {zeros.data(), 1, 1, kSize, KvType::kBf16},
                            .q = floats,
                            .out = y,
                            .sequences = &sequence,
                            .count = 1,
                            .heads = 1};
  BOOST_TEST(products_of(attention) > 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::kernels

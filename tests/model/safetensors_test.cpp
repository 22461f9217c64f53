#include "model/safetensors.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/json_tree.hpp"

using namespace troupe;
using model::SafeTensor;

namespace {

// A file of this header and so many bytes of data.
std::vector<std::byte> file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::vector<std::byte> bytes(8 + header.size() + data_bytes);
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  return bytes;
}

std::string entry(const std::string& name,
                  const std::string& dtype,
                  const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}

void check_refused(const std::vector<std::byte>& bytes, const std::string& words) {
  try {
    model::read_safetensors(bytes, "m.safetensors");
    BOOST_ERROR("accepted; expected " + words);
  } catch (const config::UserError& error) {
    const std::string line = error.what();
    BOOST_TEST(line.starts_with("m.safetensors: "), line);
    BOOST_TEST(line.find(words) != std::string::npos, "'" << line << "' lacks '" << words << "'");
    BOOST_TEST(line.find('\n') == std::string::npos);
  }
}

void check_refused(const std::string& entries, std::size_t data_bytes, const std::string& words) {
  check_refused(file_of("{" + entries + "}", data_bytes), words);
}

const std::string kFour = entry("a", "BF16", "[2,2]", "[0,8]");

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors)

BOOST_AUTO_TEST_CASE(tensors_come_in_the_order_of_their_data_with_shapes_as_written) {
  const auto bytes = file_of(R"({"__metadata__":{"format":"pt"},)" +
                                 entry("b", "F32", "[3]", "[8,20]") + "," + kFour + "}",
                             20);
  const std::vector<SafeTensor> tensors = model::read_safetensors(bytes, "m");
  BOOST_REQUIRE(tensors.size() == 2U);
  BOOST_TEST(tensors[0].name == "a");
  BOOST_TEST(tensors[0].dtype == "BF16");
  BOOST_TEST(tensors[0].shape == (std::vector<std::uint64_t>{2, 2}));
  BOOST_TEST(tensors[1].data.data() == bytes.data() + bytes.size() - 12);
  BOOST_TEST(tensors[1].data.size() == 12U);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_cut_off_is_refused_wherever_it_ends) {
  const auto bytes = file_of("{" + kFour + "}", 8);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::span<const std::byte> part = std::span(bytes).first(size);
    BOOST_CHECK_THROW(model::read_safetensors(part, "m"), config::UserError);
  }
  BOOST_CHECK_NO_THROW(model::read_safetensors(bytes, "m"));
}

BOOST_AUTO_TEST_CASE(a_header_longer_than_the_bound_of_the_reference_is_refused) {
  auto bytes = file_of("{}", 0);
  for (const std::uint64_t length : {std::uint64_t{100'000'001}, ~std::uint64_t{0}}) {
    std::memcpy(bytes.data(), &length, 8);
    check_refused(bytes, "at most 100000000");
  }
}

BOOST_AUTO_TEST_CASE(offsets_that_are_negative_backwards_or_outside_are_refused) {
  check_refused(entry("a", "BF16", "[4]", "[-8,0]"), 8, "whole numbers");
  check_refused(entry("a", "BF16", "[4]", "[8,0]"), 8, "no range");
  check_refused(entry("a", "BF16", "[4]", "[0]"), 8, "no range");
  check_refused(entry("a", "BF16", "[4]", "[0,8,9]"), 8, "whole numbers");
  check_refused(entry("a", "BF16", "[4]", "[0,8]"), 7, "beyond the end");
  check_refused(entry("a", "BF16", "[4]", "[0,18446744073709551615]"), 8, "beyond the end");
  check_refused(entry("a", "BF16", "[4]", "[0,1e1]"), 8, "whole numbers");
}

BOOST_AUTO_TEST_CASE(data_that_overlap_or_leave_holes_are_refused) {
  const std::string a = entry("a", "U8", "[4]", "[0,4]") + ",";
  check_refused(a + entry("b", "U8", "[4]", "[3,7]"), 7, "overlap");
  check_refused(a + entry("b", "U8", "[4]", "[0,4]"), 4, "overlap");
  check_refused(a + entry("b", "U8", "[4]", "[5,9]"), 9, "after bytes of no tensor");
  check_refused(entry("a", "U8", "[4]", "[0,4]"), 5, "goes on after its last tensor");
}

BOOST_AUTO_TEST_CASE(sizes_that_disagree_with_shape_and_dtype_are_refused) {
  check_refused(entry("a", "F32", "[2,2]", "[0,8]"), 8, "8 bytes for 4 values");
  check_refused(entry("a", "F33", "[2]", "[0,8]"), 8, "'F33', which is not known");
  check_refused(entry("a", "F32", "[4294967296,4294967296,4294967296]", "[0,0]"), 0, "more values");
  check_refused(entry("a", "F32", "[-1]", "[0,4]"), 4, "whole numbers");
  check_refused(entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "at most 8");
}

BOOST_AUTO_TEST_CASE(a_name_that_occurs_twice_or_has_a_zero_byte_is_refused) {
  check_refused(kFour + "," + kFour, 8, "'a' twice");
  check_refused(entry(R"(a\u0000b)", "BF16", "[4]", "[0,8]"), 8, "zero byte");
  check_refused(entry("", "BF16", "[4]", "[0,8]"), 8, "empty");
  check_refused(entry(std::string(257, 'n'), "BF16", "[4]", "[0,8]"), 8, "more than 256");
}

BOOST_AUTO_TEST_CASE(a_header_that_is_no_object_of_tensors_is_refused) {
  check_refused(file_of("[]", 0), "no JSON object");
  check_refused(file_of("{\"a\":", 0), "not valid JSON");
  check_refused(file_of("", 0), "not valid JSON");
  check_refused(R"("a":3)", 0, "has no dtype");
  check_refused(R"("a":{"dtype":4})", 0, "no text");
}

BOOST_AUTO_TEST_CASE(json_deeper_than_the_bound_is_refused_and_at_the_bound_read) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  BOOST_CHECK_NO_THROW(model::read_json(nested(64), "m"));
  BOOST_CHECK_THROW(model::read_json(nested(65), "m"), config::UserError);
  check_refused(file_of(nested(1'000'000), 0), "deeper than 64");
}

BOOST_AUTO_TEST_CASE(json_with_more_values_than_the_bound_is_refused) {
  std::string text = "[0";
  for (std::size_t i = 0; i < (std::size_t{1} << 22); ++i) text += ",0";
  BOOST_CHECK_THROW(model::read_json(text + "]", "m"), config::UserError);
}

BOOST_AUTO_TEST_SUITE_END()

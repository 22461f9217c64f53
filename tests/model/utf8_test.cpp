#include "model/utf8.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

#include "model/byte_level.hpp"

using namespace troupe::model;

namespace {

std::string encoded(std::uint32_t code_point) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (code_point < 0x80) return {byte(code_point)};
  const char last = byte(0x80U | (code_point & 0x3FU));
  if (code_point < 0x800) return {byte(0xC0U | code_point >> 6U), last};
  const char third = byte(0x80U | (code_point >> 6U & 0x3FU));
  if (code_point < 0x10000) return {byte(0xE0U | code_point >> 12U), third, last};
  return {byte(0xF0U | code_point >> 18U), byte(0x80U | (code_point >> 12U & 0x3FU)), third, last};
}

}  // namespace

BOOST_AUTO_TEST_CASE(
    every_code_point_is_valid_except_surrogates_and_every_proper_prefix_is_unfinished) {
  for (std::uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    const std::string text = encoded(code_point);
    const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    const utf8::Sequence whole = utf8::first_sequence(text);
    BOOST_REQUIRE((whole.kind == utf8::SequenceKind::kValid) == !surrogate);
    if (surrogate) continue;
    BOOST_REQUIRE(whole.bytes == text.size());
    BOOST_REQUIRE(utf8::unfinished_suffix("x" + text) == 0);
    for (std::size_t length = 1; length < text.size(); ++length) {
      BOOST_REQUIRE(utf8::unfinished_suffix("é" + text.substr(0, length)) == length);
    }
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_can_never_become_a_character_are_not_held_back) {
  BOOST_TEST(utf8::unfinished_suffix("") == 0U);
  BOOST_TEST(utf8::unfinished_suffix("abc") == 0U);
  BOOST_TEST(utf8::unfinished_suffix("\x80\x80\x80") == 0U);
  BOOST_TEST(utf8::unfinished_suffix("\xC0") == 0U);
  BOOST_TEST(utf8::unfinished_suffix("\xFF") == 0U);
  BOOST_TEST(utf8::unfinished_suffix("\xED\xA0") == 0U);      // half a surrogate
  BOOST_TEST(utf8::unfinished_suffix("\xF4\x90\x80") == 0U);  // beyond U+10FFFF
  BOOST_TEST(utf8::unfinished_suffix("\xE2\x82\xAC\x82") ==
             0U);  // a whole character and a stray byte
  BOOST_TEST(utf8::unfinished_suffix("\xF0\x9F\x98") == 3U);
}

// The example of the Unicode Standard, section 3.9, table 3-11, and the ones before it.
BOOST_AUTO_TEST_CASE(each_maximal_subpart_becomes_one_replacement_character) {
  const std::string r = "\xEF\xBF\xBD";
  BOOST_TEST(utf8::replace_invalid("") == "");
  BOOST_TEST(utf8::replace_invalid("plain, größer, 漢字, 😀") == "plain, größer, 漢字, 😀");
  BOOST_TEST(utf8::replace_invalid("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == r + r + r + r + "A");
  BOOST_TEST(utf8::replace_invalid("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") ==
             r + r + r + r + r + r + r + r + "A");
  BOOST_TEST(utf8::replace_invalid("\xED\xA0\x80x") == r + r + r + "x");
  BOOST_TEST(utf8::replace_invalid("x\xF0\x9F\x98") == "x" + r);
}

BOOST_AUTO_TEST_CASE(valid_prefix_ends_before_the_first_byte_that_is_not_a_character) {
  BOOST_TEST(utf8::valid_prefix("aé漢😀") == 10U);
  BOOST_TEST(utf8::valid_prefix("aé\xFFz") == 3U);
  BOOST_TEST(utf8::valid_prefix("aé\xE6\xBC") == 3U);
}

BOOST_AUTO_TEST_CASE(every_byte_has_a_name_of_its_own_and_comes_back_from_it) {
  std::string names;
  std::string bytes;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string name = byte_level::name_of(static_cast<std::uint8_t>(byte));
    BOOST_TEST(utf8::valid_prefix(name) == name.size());
    names += name;
    bytes += static_cast<char>(byte);
  }
  BOOST_TEST((byte_level::bytes_of(names) == bytes));
  BOOST_TEST(byte_level::name_of(' ') == "Ġ");
  BOOST_TEST(byte_level::name_of('\n') == "Ċ");
  BOOST_TEST(byte_level::name_of('A') == "A");
}

BOOST_AUTO_TEST_CASE(text_that_names_no_bytes_is_not_mistaken_for_bytes) {
  BOOST_TEST(!byte_level::bytes_of("a b").has_value());
  BOOST_TEST(!byte_level::bytes_of("漢").has_value());
  BOOST_TEST(!byte_level::bytes_of("\xC4").has_value());
  BOOST_TEST(!byte_level::bytes_of("\xC4q").has_value());
  BOOST_TEST(!byte_level::bytes_of("\xC5\x84").has_value());  // U+0144, one past the last name
}

#include "model/special_tokens.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using troupe::model::SpecialTokenFinder;

BOOST_AUTO_TEST_CASE(the_leftmost_and_of_those_the_longest_token_is_found) {
  const SpecialTokenFinder finder({{"<a", 0}, {"<abc>", 1}, {"b", 2}, {"\xff<", 3}, {"<a", 4}});
  const auto check = [&](const std::string& text, std::size_t from, std::size_t at, int id) {
    const auto hit = finder.find(text, from);
    BOOST_REQUIRE_MESSAGE(hit, text);
    BOOST_TEST(hit->at == at, text);
    BOOST_TEST(hit->id == id, text);
  };
  check("x<abc>", 0, 1, 1);
  check("x<abc", 0, 1, 0);  // the first of two with the same text
  check("x<abc>", 2, 3, 2);
  check("x\xff<abc>", 0, 1, 3);
  BOOST_TEST(!finder.find("x<\xff", 0));
  BOOST_TEST(!finder.find("", 0));
}

BOOST_AUTO_TEST_CASE(every_one_of_thousands_that_begin_alike_is_found) {
  std::vector<SpecialTokenFinder::Token> tokens;
  for (int id = 0; id < 20000; ++id) {
    tokens.push_back({"<|reserved_" + std::to_string(id), id});
  }
  const SpecialTokenFinder finder(tokens);
  for (const auto& token : tokens) {
    const auto hit = finder.find("<|reserved_" + token.text + "|>", 0);
    BOOST_REQUIRE(hit);
    BOOST_TEST(hit->at == 11U);
    BOOST_TEST(hit->id == token.id);
    BOOST_TEST(hit->bytes == token.text.size());
  }
}

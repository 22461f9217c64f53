#include "model/text_index.hpp"

#include <boost/test/unit_test.hpp>

namespace troupe::model {

BOOST_AUTO_TEST_SUITE(text_index)

BOOST_AUTO_TEST_CASE(every_text_is_found_and_no_other) {
  std::vector<std::string> texts{""};
  for (int i = 1; i < 5000; ++i) texts.push_back("t" + std::to_string(i));
  const TextIndex index(texts);
  for (std::size_t id = 0; id < texts.size(); ++id)
    BOOST_REQUIRE(index.find(texts[id]) == static_cast<std::int32_t>(id));
  for (const char* absent : {"t", "t5000", "x", "t1 "}) BOOST_TEST(!index.find(absent).has_value());
}

BOOST_AUTO_TEST_CASE(of_equal_texts_the_first_counts) {
  const std::vector<std::string> texts{"a", "b", "a"};
  BOOST_TEST((TextIndex(texts).find("a") == 0));
}

BOOST_AUTO_TEST_CASE(no_texts_are_fine) {
  const std::vector<std::string> none;
  BOOST_TEST(!TextIndex(none).find("").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

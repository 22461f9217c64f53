// Who is believed when workers answer the known prompt differently.
#include "actors/supervision/known_answers.hpp"

#include <boost/test/unit_test.hpp>

using troupe::actors::supervision::KnownAnswers;

namespace {

const std::string kOne = "model-amx 17:bf000000 4:bf800000";
const std::string kOther = "model-amx 17:bf000001 4:bf800000";

}  // namespace

BOOST_AUTO_TEST_SUITE(known_answers)

BOOST_AUTO_TEST_CASE(the_first_answer_is_right_and_so_is_each_that_says_the_same) {
  KnownAnswers answers;
  BOOST_TEST(answers.add(kOne));
  BOOST_TEST(answers.add(kOne));
}

BOOST_AUTO_TEST_CASE(what_is_empty_or_not_finite_is_wrong_even_when_it_is_the_first) {
  KnownAnswers answers;
  for (const char* text : {"",
                           "model-amx",
                           "model-amx -1:7fc00000",
                           "model-amx 17:7fc00000",
                           "model-amx 17:ff800000",
                           "model-amx 17:bf000000 4:7f800000",
                           "model-amx 17",
                           "model-amx 17:"}) {
    BOOST_TEST(!answers.add(text), text);
    BOOST_TEST(!answers.add(text), text);
  }
  BOOST_TEST(answers.add(kOne));
}

BOOST_AUTO_TEST_CASE(of_two_that_disagree_the_third_says_who_is_right) {
  for (const bool first_was_right : {true, false}) {
    KnownAnswers answers;
    BOOST_TEST(answers.add(kOne));
    BOOST_TEST(!answers.add(kOther));
    BOOST_TEST(answers.is_right(kOne));
    BOOST_TEST(answers.add(first_was_right ? kOne : kOther));
    BOOST_TEST(answers.is_right(kOne) == first_was_right);
    BOOST_TEST(answers.is_right(kOther) != first_was_right);
  }
}

BOOST_AUTO_TEST_CASE(an_answer_that_many_gave_is_not_overturned_by_two) {
  KnownAnswers answers;
  for (int i = 0; i < 3; ++i) answers.add(kOne);
  for (int i = 0; i < 3; ++i) BOOST_TEST(!answers.add(kOther));
  BOOST_TEST(answers.add(kOther));
}

BOOST_AUTO_TEST_CASE(workers_with_other_arithmetic_may_answer_otherwise) {
  KnownAnswers answers;
  BOOST_TEST(answers.add(kOne));
  BOOST_TEST(answers.add("model-avx512 17:bf000001 4:bf800000"));
  BOOST_TEST(answers.is_right(kOne));
}

BOOST_AUTO_TEST_CASE(
    a_machine_that_answers_otherwise_each_time_fills_no_memory_and_is_never_right) {
  KnownAnswers answers;
  BOOST_TEST(answers.add(kOne));
  for (int i = 0; i < 1'000; ++i) {
    BOOST_REQUIRE(!answers.add("model-amx " + std::to_string(i) + ":bf000000"));
  }
  BOOST_TEST(answers.add(kOne));
}

BOOST_AUTO_TEST_SUITE_END()

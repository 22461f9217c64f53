// Who is believed when workers answer the known prompt differently.
#include "actors/supervision/known_answers.hpp"

#include <boost/test/unit_test.hpp>

using troupe::actors::supervision::KnownAnswers;

namespace {

const std::string kChild = "worker-0";
const std::string kOne = "model-amx 17:bf000000 4:bf800000";
const std::string kOther = "model-amx 17:bf000001 4:bf800000";
const std::string kThird = "model-amx 17:bf000002 4:bf800000";

}  // namespace

BOOST_AUTO_TEST_SUITE(known_answers)

BOOST_AUTO_TEST_CASE(the_first_answer_is_right_and_so_is_each_that_says_the_same) {
  KnownAnswers answers;
  BOOST_TEST(answers.add(kChild, kOne));
  BOOST_TEST(answers.add(kChild, kOne));
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
    BOOST_TEST(!answers.add(kChild, text), text);
    BOOST_TEST(!answers.add(kChild, text), text);
  }
  BOOST_TEST(answers.add(kChild, kOne));
}

BOOST_AUTO_TEST_CASE(of_two_that_disagree_the_third_says_who_is_right) {
  for (const bool first_was_right : {true, false}) {
    KnownAnswers answers;
    BOOST_TEST(answers.add("worker-0", kOne));
    BOOST_TEST(!answers.add("worker-1", kOther));
    BOOST_TEST(answers.is_right(kOne));
    BOOST_TEST(answers.add("worker-2", first_was_right ? kOne : kOther));
    BOOST_TEST(answers.is_right(kOne) == first_was_right);
    BOOST_TEST(answers.is_right(kOther) != first_was_right);
  }
}

BOOST_AUTO_TEST_CASE(one_that_is_wrong_at_each_of_its_starts_never_outvotes_the_others) {
  KnownAnswers answers;
  BOOST_TEST(answers.add("worker-0", kOne));
  BOOST_TEST(answers.add("worker-1", kOne));
  for (int i = 0; i < 11; ++i) BOOST_TEST(!answers.add("worker-2", kOther));
  BOOST_TEST(answers.is_right(kOne));
}

BOOST_AUTO_TEST_CASE(one_that_is_wrong_at_each_of_its_starts_does_not_outvote_a_single_other) {
  KnownAnswers answers;
  BOOST_TEST(answers.add("worker-0", kOne));
  for (int i = 0; i < 11; ++i) BOOST_TEST(!answers.add("worker-1", kOther));
  BOOST_TEST(answers.is_right(kOne));
  // Now it says so itself.
  BOOST_TEST(answers.add("worker-0", kOther));
  BOOST_TEST(!answers.is_right(kOne));
}

BOOST_AUTO_TEST_CASE(of_two_the_good_one_that_once_computes_wrongly_makes_no_other_answer_right) {
  KnownAnswers answers;
  BOOST_TEST(answers.add("worker-0", kOne));
  BOOST_TEST(!answers.add("worker-1", kOther));
  BOOST_TEST(!answers.add("worker-0", kThird));
  BOOST_TEST(answers.is_right(kOne));
  // Now nobody says the first one any more; still neither of the others is right.
  BOOST_TEST(!answers.add("worker-1", kOther));
  BOOST_TEST(answers.is_right(kOne));
  BOOST_TEST(answers.add("worker-0", kOne));
}

BOOST_AUTO_TEST_CASE(of_two_that_were_right_one_that_computes_otherwise_now_is_wrong) {
  KnownAnswers answers;
  BOOST_TEST(answers.add("worker-0", kOne));
  BOOST_TEST(answers.add("worker-1", kOne));
  BOOST_TEST(!answers.add("worker-1", kOther));
  BOOST_TEST(!answers.add("worker-0", kThird));
  BOOST_TEST(answers.is_right(kOne));
}

BOOST_AUTO_TEST_CASE(two_that_agree_overthrow_what_was_right) {
  KnownAnswers answers;
  BOOST_TEST(answers.add("worker-0", kOne));
  BOOST_TEST(answers.add("worker-1", kOne));
  BOOST_TEST(!answers.add("worker-0", kOther));
  BOOST_TEST(answers.add("worker-1", kOther));
  BOOST_TEST(!answers.is_right(kOne));
}

BOOST_AUTO_TEST_CASE(what_a_lone_child_said_stands_against_the_second_one) {
  KnownAnswers answers;
  for (int i = 0; i < 2; ++i) answers.add("worker-0", kOne);
  for (int i = 0; i < 3; ++i) answers.add("worker-0", kOther);
  BOOST_TEST(answers.is_right(kOther));
  BOOST_TEST(!answers.add("worker-1", kOne));
  BOOST_TEST(answers.add("worker-1", kOther));
}

BOOST_AUTO_TEST_CASE(a_lone_child_is_judged_by_what_most_of_its_incarnations_said) {
  KnownAnswers answers;
  for (int i = 0; i < 3; ++i) answers.add(kChild, kOne);
  for (int i = 0; i < 3; ++i) BOOST_TEST(!answers.add(kChild, kOther));
  BOOST_TEST(answers.add(kChild, kOther));
}

BOOST_AUTO_TEST_CASE(workers_with_other_arithmetic_may_answer_otherwise) {
  KnownAnswers answers;
  BOOST_TEST(answers.add(kChild, kOne));
  BOOST_TEST(answers.add(kChild, "model-avx512 17:bf000001 4:bf800000"));
  BOOST_TEST(answers.is_right(kOne));
}

BOOST_AUTO_TEST_CASE(
    a_machine_that_answers_otherwise_each_time_fills_no_memory_and_is_never_right) {
  KnownAnswers answers;
  BOOST_TEST(answers.add(kChild, kOne));
  for (int i = 0; i < 1'000; ++i) {
    BOOST_REQUIRE(!answers.add(kChild, "model-amx " + std::to_string(i) + ":bf000000"));
  }
  BOOST_TEST(answers.add(kChild, kOne));
}

BOOST_AUTO_TEST_SUITE_END()

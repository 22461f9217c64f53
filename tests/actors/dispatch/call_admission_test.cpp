// The answers of one call: all of them get into the queue, or none.
#include "actors/dispatch/call_admission.hpp"

#include <boost/test/unit_test.hpp>

namespace troupe::actors::dispatch {
namespace {

BOOST_AUTO_TEST_SUITE(call_admission)

BOOST_AUTO_TEST_CASE(a_single_request_needs_one_free_place) {
  CallAdmission calls;
  BOOST_TEST(calls.admit(1, 1, 1, 1));
  BOOST_TEST(!calls.admit(2, 2, 1, 0));
  BOOST_TEST(calls.admit(3, 0, 1, 1));  // from a producer that says nothing of calls
}

BOOST_AUTO_TEST_CASE(the_first_request_of_a_call_keeps_places_for_the_rest) {
  CallAdmission calls;
  BOOST_TEST(calls.admit(12, 10, 4, 4));  // tokenizers finish in any order
  BOOST_TEST(calls.reserved() == 3U);
  BOOST_TEST(!calls.admit(20, 20, 1, 3));  // three are free, and kept
  BOOST_TEST(calls.admit(10, 10, 4, 3));
  BOOST_TEST(calls.admit(13, 10, 4, 2));
  BOOST_TEST(calls.admit(11, 10, 4, 1));
  BOOST_TEST(calls.reserved() == 0U);
  BOOST_TEST(calls.admit(20, 20, 1, 1));
}

BOOST_AUTO_TEST_CASE(a_call_that_does_not_fit_is_refused_whole_even_when_places_become_free) {
  CallAdmission calls;
  BOOST_TEST(!calls.admit(10, 10, 3, 2));
  BOOST_TEST(!calls.admit(11, 10, 3, 9));
  BOOST_TEST(!calls.admit(12, 10, 3, 9));
  BOOST_TEST(calls.reserved() == 0U);
  BOOST_TEST(calls.admit(13, 13, 3, 3));  // the next call is judged by itself
}

BOOST_AUTO_TEST_CASE(a_member_that_failed_before_gives_its_place_back) {
  CallAdmission calls;
  BOOST_TEST(calls.admit(10, 10, 3, 3));
  calls.skip(11);
  BOOST_TEST(calls.reserved() == 1U);
  BOOST_TEST(calls.admit(12, 10, 3, 1));
  BOOST_TEST(calls.reserved() == 0U);
}

BOOST_AUTO_TEST_CASE(a_member_that_failed_before_all_others_needs_no_place) {
  CallAdmission calls;
  calls.skip(10);
  BOOST_TEST(calls.admit(11, 10, 3, 2));
  BOOST_TEST(calls.reserved() == 1U);
  BOOST_TEST(calls.admit(12, 10, 3, 1));
  BOOST_TEST(calls.reserved() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

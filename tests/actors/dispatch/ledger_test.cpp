// The ledger: which tokens are journalled and which are not.
#include "actors/dispatch/ledger.hpp"

#include <boost/test/unit_test.hpp>

namespace troupe::actors::dispatch {
namespace {

constexpr Time kNow{1'000};

struct Fixture {
  Fixture() {
    LedgerEntry& entry = ledger.accept({.request_id = 1, .prompt_tokens = {3}}, kNow);
    entry.attempt = 2;
    entry.worker = "w#1";
  }

  Append append(std::uint32_t attempt, std::uint32_t position, std::int32_t token = 5) {
    return ledger.append(
        {.request_id = 1, .attempt = attempt, .position = position, .token = token}, kNow);
  }

  Ledger ledger;
};

BOOST_FIXTURE_TEST_SUITE(ledger, Fixture)

BOOST_AUTO_TEST_CASE(the_next_token_of_the_current_attempt_is_journalled) {
  BOOST_CHECK(append(2, 0, 8) == Append::kJournalled);
  BOOST_CHECK(append(2, 1, 9) == Append::kJournalled);
  BOOST_TEST(ledger.find(1)->produced == (std::vector<std::int32_t>{8, 9}));
}

BOOST_AUTO_TEST_CASE(a_position_the_ledger_holds_is_dropped) {
  (void)append(2, 0, 8);
  BOOST_CHECK(append(2, 0, 8) == Append::kRepeated);
  BOOST_CHECK(append(2, 0, 9) == Append::kConflict);
  BOOST_TEST(ledger.find(1)->produced == std::vector<std::int32_t>{8});
}

BOOST_AUTO_TEST_CASE(a_token_beyond_the_next_is_a_gap) {
  BOOST_CHECK(append(2, 1) == Append::kGap);
}

BOOST_AUTO_TEST_CASE(another_attempt_is_stale) {
  BOOST_CHECK(append(1, 0) == Append::kStale);
  BOOST_CHECK(append(3, 0) == Append::kStale);
}

BOOST_AUTO_TEST_CASE(a_queued_request_takes_no_tokens) {
  ledger.find(1)->worker.clear();
  BOOST_CHECK(append(2, 0) == Append::kStale);
}

BOOST_AUTO_TEST_CASE(a_request_that_has_ended_takes_no_tokens) {
  ledger.erase(1);
  BOOST_CHECK(append(2, 0) == Append::kStale);
  BOOST_CHECK(ledger.find(1) == nullptr);
}

BOOST_AUTO_TEST_CASE(running_counts_those_at_a_worker) {
  ledger.accept({.request_id = 2, .prompt_tokens = {3}}, kNow);
  BOOST_TEST(ledger.size() == 2U);
  BOOST_TEST(ledger.running() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

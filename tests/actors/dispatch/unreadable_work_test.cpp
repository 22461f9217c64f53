// What becomes of work that its worker cannot read, and of what was given with it.
#include <boost/test/unit_test.hpp>

#include "tests/actors/dispatch/dispatcher_fixture.hpp"

namespace troupe::actors::dispatch {
namespace {

BOOST_FIXTURE_TEST_SUITE(unreadable_work, DispatcherFixture)

BOOST_AUTO_TEST_CASE(work_that_its_worker_cannot_read_ends_at_once_and_alone) {
  worker("a", 1);
  request(1);
  request(2);
  token(1, 0);
  token(2, 0);
  messages::TokenFrame frame{.front_epoch = kEpoch, .worker_generation = 1};
  frame.events.push_back({.request_id = 1,
                          .attempt = 1,
                          .position = messages::kNoPosition,
                          .finish = FinishReason::kError,
                          .error = "it could not be read"});
  const Effects effects = core.on_tokens("a#1", frame, now);
  BOOST_REQUIRE(effects.failures.size() == 1U);
  BOOST_CHECK(effects.failures[0].code == FailureCode::kInternal);
  BOOST_TEST(effects.failures[0].message == "it could not be read");
  BOOST_TEST(effects.journaled.events.empty());
  BOOST_TEST(released(1).work.empty());
  BOOST_TEST(token(2, 1).journaled.events.size() == 1U);
  BOOST_TEST(request(3).work.size() == 1U);  // its credit is back
  BOOST_TEST(conserved());
}

// `unreadable` of one that starts over; its work is that of worker a#1.
Effects starts_over(DispatcherFixture& fixture, std::uint64_t beginning, std::string unreadable) {
  return fixture.core.on_hello("a#1",
                               {.worker = "a",
                                .generation = 1,
                                .numerics_id = "n",
                                .vocabulary_hash = "v",
                                .sequences_max = 2,
                                .context_max = 100,
                                .beginning = beginning,
                                .unreadable = std::move(unreadable)},
                               fixture.now);
}

BOOST_AUTO_TEST_CASE(who_has_a_token_is_not_what_its_worker_could_not_read) {
  worker("a", 1);
  request(1);
  now += seconds(1);
  token(1, 0);
  request(2);
  starts_over(*this, 1, "damaged");
  BOOST_TEST(!core.is_suspect(1));
  BOOST_TEST(core.is_suspect(2));
}

BOOST_AUTO_TEST_CASE(work_that_its_worker_twice_cannot_read_alone_is_quarantined) {
  worker("a", 1);
  request(1);
  request(2);
  const Effects first = starts_over(*this, 1, "damaged");
  BOOST_REQUIRE(first.work.size() == 1U);  // both are suspects now: each alone
  BOOST_TEST(first.failures.empty());
  const std::uint64_t alone = first.work[0].second.request_id;
  BOOST_TEST(starts_over(*this, 2, "damaged").failures.empty());
  const Effects third = starts_over(*this, 3, "damaged");
  BOOST_REQUIRE(third.failures.size() == 1U);
  BOOST_CHECK(third.failures[0].code == FailureCode::kQuarantined);
  BOOST_TEST(third.failures[0].request_id == alone);
  BOOST_TEST(third.failures[0].message.find("damaged") != std::string::npos);
  BOOST_REQUIRE(third.work.size() == 1U);
  BOOST_TEST(third.work[0].second.request_id == 3U - alone);  // the other one has its turn
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_CASE(who_starts_over_for_lost_frames_makes_nobody_a_suspect) {
  worker("a", 1);
  request(1);
  request(2);
  BOOST_TEST(starts_over(*this, 1, "").work.size() == 2U);
  BOOST_TEST(!core.is_suspect(1));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

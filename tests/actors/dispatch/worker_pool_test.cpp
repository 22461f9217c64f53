// The worker pool: incarnations and credits.
#include "actors/dispatch/worker_pool.hpp"

#include <boost/test/unit_test.hpp>

namespace troupe::actors::dispatch {
namespace {

constexpr Time kNow{1'000};

messages::WorkerHello hello(const std::string& name,
                            std::uint64_t generation,
                            std::uint32_t credits = 2) {
  return {.worker = name, .generation = generation, .sequences_max = credits};
}

BOOST_AUTO_TEST_CASE(the_freest_worker_is_the_one_with_most_credits_left) {
  WorkerPool pool;
  BOOST_TEST(pool.freest() == "");
  pool.admit("a#1", hello("a", 1, 2), kNow);
  pool.admit("b#1", hello("b", 1, 3), kNow);
  BOOST_TEST(pool.freest() == "b#1");
  pool.find("b#1")->holds = {1, 2};
  BOOST_TEST(pool.freest() == "a#1");
  pool.find("a#1")->holds = {3, 4};
  pool.find("b#1")->holds.insert(5);
  BOOST_TEST(pool.freest() == "");
}

BOOST_AUTO_TEST_CASE(a_new_incarnation_replaces_the_old_one_and_returns_what_it_held) {
  WorkerPool pool;
  pool.admit("a#1", hello("a", 1), kNow);
  pool.find("a#1")->holds = {7};
  BOOST_TEST(pool.admit("a#2", hello("a", 2), kNow) == std::vector<std::uint64_t>{7});
  BOOST_CHECK(pool.find("a#1") == nullptr);
  BOOST_CHECK(pool.find("a#2") != nullptr);
}

BOOST_AUTO_TEST_CASE(a_repeated_hello_changes_nothing) {
  WorkerPool pool;
  pool.admit("a#1", hello("a", 1), kNow);
  pool.find("a#1")->holds = {7};
  BOOST_TEST(pool.admit("a#1", hello("a", 1), kNow).empty());
  BOOST_TEST(pool.find("a#1")->holds.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_death_that_is_told_late_spares_the_next_incarnation) {
  WorkerPool pool;
  pool.admit("a#2", hello("a", 2), kNow);
  BOOST_TEST(pool.remove("a", 1).empty());
  BOOST_CHECK(pool.find("a#2") != nullptr);
}

BOOST_AUTO_TEST_CASE(a_silent_worker_leaves_and_what_it_held_is_returned) {
  WorkerPool pool;
  pool.admit("a#1", hello("a", 1), kNow);
  pool.admit("b#1", hello("b", 1), kNow);
  pool.find("a#1")->holds = {7};
  pool.find("b#1")->heard = kNow + Time{5};
  BOOST_TEST(pool.remove_silent(kNow + Time{1}) == std::vector<std::uint64_t>{7});
  BOOST_CHECK(pool.find("b#1") != nullptr);
}

}  // namespace
}  // namespace troupe::actors::dispatch

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
  BOOST_TEST(pool.freest("", 8) == "");
  pool.admit("a#1", hello("a", 1, 2), kNow);
  pool.admit("b#1", hello("b", 1, 3), kNow);
  BOOST_TEST(pool.freest("", 8) == "");  // they wait
  pool.activate(0, 0);
  BOOST_TEST(pool.freest("", 8) == "b#1");
  pool.find("b#1")->holds = {{1, 1}, {2, 1}};
  BOOST_TEST(pool.freest("", 8) == "a#1");
  pool.find("a#1")->holds = {{3, 1}, {4, 1}};
  pool.find("b#1")->holds.emplace(5, 1);
  BOOST_TEST(pool.freest("", 8) == "");
}

BOOST_AUTO_TEST_CASE(the_freest_worker_is_not_the_one_that_is_left_out_nor_one_at_the_limit) {
  WorkerPool pool;
  pool.admit("a#1", hello("a", 1, 2), kNow);
  pool.admit("b#1", hello("b", 1, 3), kNow);
  pool.activate(0, 0);
  BOOST_TEST(pool.freest("b#1", 8) == "a#1");
  pool.find("b#1")->holds = {{1, 1}};
  BOOST_TEST(pool.freest("", 1) == "a#1");
  BOOST_TEST(pool.idlest() == "a#1");
}

BOOST_AUTO_TEST_CASE(
    a_spare_takes_over_when_a_worker_is_gone_and_workers_from_elsewhere_always_work) {
  WorkerPool pool;
  pool.admit("worker-0#1", hello("worker-0", 1), kNow);
  pool.admit("worker-1#2", hello("worker-1", 2, 9), kNow);
  pool.activate(2, 1);
  BOOST_TEST(pool.freest("", 8) == "worker-0#1");
  pool.admit("worker-far-7#3", hello("worker-far-7", 3, 5), kNow);
  pool.activate(2, 1);
  BOOST_TEST(pool.freest("", 8) == "worker-far-7#3");
  pool.remove("worker-far-7", 3);
  pool.remove("worker-0", 1);
  BOOST_TEST(pool.freest("", 8) == "");
  pool.activate(2, 1);
  BOOST_TEST(pool.freest("", 8) == "worker-1#2");
  pool.admit("worker-0#4", hello("worker-0", 4, 20), kNow);
  pool.activate(2, 1);
  BOOST_TEST(pool.freest("", 8) == "worker-1#2");  // now the other one is the spare
}

BOOST_AUTO_TEST_CASE(a_new_incarnation_replaces_the_old_one_and_returns_what_it_held) {
  WorkerPool pool;
  pool.admit("a#1", hello("a", 1), kNow);
  pool.find("a#1")->holds = {{7, 1}};
  BOOST_TEST(pool.admit("a#2", hello("a", 2), kNow) == std::vector<std::uint64_t>{7});
  BOOST_CHECK(pool.find("a#1") == nullptr);
  BOOST_CHECK(pool.find("a#2") != nullptr);
}

BOOST_AUTO_TEST_CASE(a_repeated_hello_changes_nothing) {
  WorkerPool pool;
  pool.admit("a#1", hello("a", 1), kNow);
  pool.find("a#1")->holds = {{7, 1}};
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
  pool.find("a#1")->holds = {{7, 1}};
  pool.find("b#1")->heard = kNow + Time{5};
  BOOST_TEST(pool.remove_silent(kNow + Time{1}) == std::vector<std::uint64_t>{7});
  BOOST_CHECK(pool.find("b#1") != nullptr);
}

}  // namespace
}  // namespace troupe::actors::dispatch

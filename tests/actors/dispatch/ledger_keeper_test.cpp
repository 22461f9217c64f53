// What the ledger's file keeps for the next front, and what the next front makes of it.
#include "actors/dispatch/ledger_keeper.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>

#include "tests/actors/dispatch/dispatcher_fixture.hpp"

namespace troupe::actors::dispatch {
namespace {

struct KeeperFixture : DispatcherFixture {
  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(words)); }

  // A file that is cleaned up with nearly every frame.
  std::shared_ptr<LedgerFile> file() { return std::make_shared<LedgerFile>(bytes(), 64); }

  static RestoredRequest left(std::uint64_t id, std::uint64_t call, std::uint32_t size) {
    return {.request = {.request_id = id,
                        .call_first = call,
                        .call_size = size,
                        .origin = {.door = messages::Door::kZmq}}};
  }

  static RestoredRequest ended(RestoredRequest one, Time at) {
    one.end = LedgerEnd{.at_us = at.count()};
    return one;
  }

  std::vector<std::uint64_t> words = std::vector<std::uint64_t>(8192);
};

std::vector<std::uint64_t> ids_of(const std::vector<RestoredRequest>& requests) {
  std::vector<std::uint64_t> ids;
  for (const RestoredRequest& one : requests) ids.push_back(one.request.request_id);
  return ids;
}

using Ids = std::vector<std::uint64_t>;

BOOST_FIXTURE_TEST_SUITE(ledger_keeper, KeeperFixture)

BOOST_AUTO_TEST_CASE(an_end_keeps_its_request_through_the_cleaning_up_that_frames_beside_it_cause) {
  LedgerKeeper keeper(file(), seconds(30));
  keeper.journal(worker("a", 1), core, now);
  keeper.journal(request(1), core, now);
  keeper.journal(request(2), core, now);
  // One input that ends a request and journals tokens of another.
  Effects both = core.on_finished({.request_id = 1, .reason = FinishReason::kStop}, now);
  for (std::uint32_t position = 0; position < 100; ++position) {
    const Effects one = token(2, position);
    both.journaled.events.push_back(one.journaled.events.at(0));
  }
  keeper.journal(both, core, now);
  const auto found = file()->fold();
  BOOST_TEST(ids_of(found) == (Ids{1, 2}));
  BOOST_TEST(found.at(0).end.has_value());
}

BOOST_AUTO_TEST_CASE(an_answer_that_ended_long_ago_stays_while_its_call_runs) {
  const std::vector<RestoredRequest> all{
      ended(left(1, 1, 2), now - seconds(60)), left(2, 1, 2), ended(left(3, 3, 1), now)};
  BOOST_TEST(ids_of(worth_restoring(all, seconds(30), now)) == (Ids{1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(a_call_that_ended_long_ago_as_a_whole_is_forgotten) {
  const std::vector<RestoredRequest> all{ended(left(1, 1, 2), now - seconds(60)),
                                         ended(left(2, 1, 2), now - seconds(31)),
                                         ended(left(3, 3, 1), now - seconds(31))};
  BOOST_TEST(worth_restoring(all, seconds(30), now).empty());
}

BOOST_AUTO_TEST_CASE(whose_client_cannot_come_back_is_not_restored) {
  RestoredRequest http = left(1, 1, 1);
  http.request.origin = {.door = messages::Door::kHttp};
  RestoredRequest keyed = left(2, 2, 1);
  keyed.request.origin = {.door = messages::Door::kHttp, .id = "key"};
  BOOST_TEST(ids_of(worth_restoring({http, keyed}, seconds(30), now)) == (Ids{2}));
}

BOOST_AUTO_TEST_CASE(what_a_new_front_does_not_take_over_is_open_no_more) {
  {
    LedgerKeeper first(file(), seconds(30));
    first.journal(request(1), core, now);
    messages::TokenizedRequest keyed{.request_id = 2, .prompt_tokens = {1}};
    keyed.origin.door = messages::Door::kZmq;
    first.journal(core.on_request(keyed, now), core, now);
  }
  const auto second = file();
  BOOST_TEST(second->open().size() == 2U);
  BOOST_TEST(ids_of(take_from(*second, seconds(30), now).requests) == (Ids{2}));
  BOOST_TEST(ids_of(second->open()) == (Ids{2}));
}

BOOST_AUTO_TEST_CASE(a_frame_that_throws_ends_the_stage_once_and_its_request_the_second_time) {
  bool throws = false;
  const auto fragile = std::make_shared<LedgerFile>(bytes(), 64, [&throws](std::span<std::byte>) {
    if (throws) throw std::runtime_error("r");
  });
  LedgerKeeper first(fragile, seconds(30));
  first.journal(request(1), core, now);
  worker("a", 1);
  throws = true;
  const auto write = [&](LedgerKeeper& keeper) {
    std::vector<std::uint64_t> broken;
    for (std::uint32_t position = 0; position < 200 && broken.empty(); ++position) {
      broken = keeper.journal(token(1, position), core, now);
    }
    return broken;
  };
  BOOST_CHECK_THROW(write(first), std::runtime_error);
  BOOST_TEST(first.suspects() == (std::set<std::uint64_t>{1}));
  LedgerKeeper second(fragile, seconds(30));
  second.suspect(first.suspects());
  BOOST_TEST(write(second) == (Ids{1}));
}

BOOST_AUTO_TEST_CASE(what_ended_under_the_first_front_is_there_after_the_death_of_the_second) {
  {
    LedgerKeeper first(file(), seconds(30));
    first.journal(request(1), core, now);
    first.journal(core.on_cancel(1, now), core, now);
  }
  std::vector<KeptEnd> kept;
  for (const RestoredRequest& old : file()->fold()) kept.push_back(end_of(old));
  BOOST_REQUIRE(kept.size() == 1U);
  LedgerKeeper second(file(), seconds(30), kept);
  for (std::uint64_t id = 2; id < 20; ++id) {  // enough to clean the file up
    second.journal(request(id), core, now);
    second.journal(core.on_cancel(id, now), core, now);
    BOOST_TEST(ids_of(file()->fold()).front() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_nearly_full_ledger_forgets_what_ended_and_keeps_every_promise) {
  const auto small = file();
  LedgerKeeper keeper(small, seconds(30));
  keeper.journal(request(1), core, now);
  for (std::uint64_t id = 2; id < 300; ++id) {
    keeper.journal(request(id), core, now);
    keeper.journal(core.on_cancel(id, now), core, now);
  }
  BOOST_TEST(keeper.lost() == 0U);
  BOOST_TEST(!keeper.full());
  const Ids ids = ids_of(small->fold());
  BOOST_TEST(ids.front() == 1U);
  BOOST_TEST(ids.back() == 299U);
  BOOST_TEST(ids.size() < 299U);
}

BOOST_AUTO_TEST_CASE(a_nearly_full_ledger_accepts_no_more_until_something_ends) {
  const auto small = file();
  LedgerKeeper keeper(small, seconds(30));
  const auto perform = [&](const Effects& effects) {
    keeper.journal(effects, core, now);
    core.hold_back(keeper.full());
  };
  perform(worker("a", 1));
  perform(request(1));
  for (std::uint32_t position = 0; !keeper.full(); ++position) perform(token(1, position));
  const Effects refused = request(2);
  BOOST_REQUIRE(refused.refusals.size() == 1U);
  BOOST_CHECK(refused.refusals[0].code == FailureCode::kOverload);
  BOOST_TEST(refused.refusals[0].message.find("memory") != std::string::npos);
  perform(refused);
  perform(core.on_cancel(1, now));
  BOOST_TEST(request(3).refusals.empty());
  BOOST_TEST(keeper.lost() == 0U);
  BOOST_TEST(conserved());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

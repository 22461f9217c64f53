// The memory file: what a killed front leaves is what the next one finds.
#include "actors/dispatch/ledger_file.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <set>

namespace troupe::actors::dispatch {
namespace {

using messages::FinishReason;

struct Fixture {
  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(words)); }

  LedgerFile file() { return {bytes(), 1 << 20}; }

  static messages::TokenEvent token(std::uint64_t id, std::uint32_t position) {
    return {.request_id = id,
            .position = position,
            .token = static_cast<std::int32_t>(100 + position),
            .logprob = -0.5F,
            .top_logprobs = {{7, -0.5F}, {8, -1.5F}},
            .finish = position == 9 ? FinishReason::kLength : FinishReason::kNone,
            .cached_tokens = 3};
  }

  // Accepts requests 5 and 6.
  void accept_two(LedgerFile& to) {
    messages::TokenizedRequest other = request;
    other.request_id = 6;
    to.accept(request, 77, keep);
    to.accept(other, 78, keep);
  }

  std::vector<std::uint64_t> words = std::vector<std::uint64_t>(4096);
  std::set<std::uint64_t> live;
  LedgerFile::Keep keep = [this](std::uint64_t id) { return live.contains(id); };
  messages::TokenizedRequest request{.request_id = 5,
                                     .prompt_tokens = {1, 2, 3},
                                     .sampling = {.seed = 9, .stop = {"x"}},
                                     .origin = {.door = messages::Door::kZmq, .id = "mine"}};
};

BOOST_FIXTURE_TEST_SUITE(ledger_file, Fixture)

BOOST_AUTO_TEST_CASE(a_new_file_holds_nothing) { BOOST_TEST(file().fold().empty()); }

BOOST_AUTO_TEST_CASE(what_one_front_wrote_the_next_one_reads) {
  {
    LedgerFile first = file();
    first.accept(request, 77, keep);
    first.append(token(5, 0), keep);
    first.append(token(5, 1), keep);
  }
  const auto found = file().fold();
  BOOST_REQUIRE(found.size() == 1U);
  BOOST_CHECK(found[0].request == request);
  BOOST_TEST(found[0].accepted_us == 77);
  BOOST_CHECK((found[0].events == std::vector{token(5, 0), token(5, 1)}));
  BOOST_CHECK(!found[0].end);
}

BOOST_AUTO_TEST_CASE(who_computed_a_request_and_what_is_held_against_it_is_kept_as_last_written) {
  LedgerFile first = file();
  first.accept(request, 77, keep);
  BOOST_CHECK(file().fold().at(0).suspicion == Suspicion{});
  first.give(5, "one", false, keep);
  first.give(5, "two", true, keep);
  first.judge(5, {.suspect = true, .lone_crashes = 1}, keep);
  RestoredRequest found = file().fold().at(0);
  BOOST_TEST(found.numerics_id == "two");
  BOOST_TEST(found.resumed_inexact);
  BOOST_CHECK((found.suspicion == Suspicion{.suspect = true, .lone_crashes = 1}));
  first.judge(5, {.passed_at = 3}, keep);
  found = file().fold().at(0);
  BOOST_CHECK((found.suspicion == Suspicion{.passed_at = 3}));
}

BOOST_AUTO_TEST_CASE(an_end_is_kept_with_its_failure) {
  LedgerFile first = file();
  first.accept(request, 77, keep);
  first.end(5, {.at_us = 80, .failed = true, .failure = {.request_id = 5, .message = "why"}}, keep);
  const auto found = file().fold();
  BOOST_REQUIRE(found.at(0).end);
  BOOST_TEST(found[0].end->failure.message == "why");
}

BOOST_AUTO_TEST_CASE(what_has_not_ended_is_read_whole_and_of_the_rest_only_that_it_has_ended) {
  LedgerFile first = file();
  accept_two(first);
  first.append(token(5, 0), keep);
  first.append(token(6, 0), keep);
  first.judge(6, {.suspect = true, .lone_crashes = 1, .death = 33}, keep);
  first.end(5, {.at_us = 80}, keep);
  const auto open = first.open();
  BOOST_REQUIRE(open.size() == 1U);
  BOOST_TEST(open[0].request.request_id == 6U);
  BOOST_TEST(open[0].events.size() == 1U);
  BOOST_TEST(open[0].suspicion.death == 33U);
  BOOST_TEST(first.has_ended(5));
  BOOST_TEST(!first.has_ended(6));
  BOOST_TEST(first.holds(6));
  BOOST_TEST(!first.holds(7));
  const auto outlines = first.outlines();
  BOOST_REQUIRE(outlines.size() == 2U);
  BOOST_TEST(outlines[0].end.has_value());
  BOOST_TEST(outlines[1].request.prompt_tokens.empty());
}

BOOST_AUTO_TEST_CASE(what_has_not_ended_is_found_in_a_cleaned_up_half_and_by_the_next_front) {
  LedgerFile first = file();
  accept_two(first);
  first.append(token(6, 0), keep);
  first.end(5, {.at_us = 80}, keep);
  const auto open = [&] {
    const LedgerFile next = file();
    BOOST_TEST(first.open().size() == next.open().size());
    BOOST_TEST(first.has_ended(5) == next.has_ended(5));
    return next.open();
  };
  BOOST_TEST(open().size() == 1U);
  BOOST_TEST(first.has_ended(5));
  first.forgotten();
  first.tidy([](std::uint64_t id) { return id == 6; });
  first.append(token(6, 1), keep);
  BOOST_TEST(!first.has_ended(5));
  BOOST_REQUIRE(open().size() == 1U);
  BOOST_TEST(open()[0].events.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_front_killed_while_it_writes_loses_that_frame_and_no_other) {
  LedgerFile first = file();
  first.accept(request, 77, keep);
  first.append(token(5, 0), keep);
  const std::size_t whole = first.used();
  const std::vector<std::uint64_t> before = words;
  first.append(token(5, 1), keep);
  const std::vector<std::uint64_t> after = words;
  // The frame's first word is stored last: killed at any byte before, only that frame is missing.
  const std::size_t begin = 64 + whole;
  const std::size_t end = 64 + first.used();
  const auto* const written = reinterpret_cast<const std::byte*>(after.data());
  for (std::size_t cut = begin + 8; cut <= end; ++cut) {
    words = before;
    std::memcpy(bytes().data() + begin + 8, written + begin + 8, cut - begin - 8);
    const auto found = file().fold();
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_REQUIRE(found[0].events.size() == 1U);
  }
  std::memcpy(bytes().data() + begin, written + begin, 8);
  BOOST_TEST(file().fold().at(0).events.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_damaged_frame_ends_the_log_before_it) {
  LedgerFile first = file();
  first.accept(request, 77, keep);
  const std::size_t whole = first.used();
  first.append(token(5, 0), keep);
  bytes()[64 + whole + 30] ^= std::byte{1};
  BOOST_TEST(file().fold().at(0).events.empty());
}

BOOST_AUTO_TEST_CASE(a_full_half_keeps_what_lives_and_drops_what_ended) {
  LedgerFile first = file();
  live = {5};
  first.accept(request, 77, keep);
  for (std::uint64_t id = 100; id < 1'000; ++id) {
    request.request_id = id;
    first.accept(request, 78, keep);
    first.end(id, {}, keep);
    first.forgotten();
    if (id % 100 == 0) first.append(token(5, static_cast<std::uint32_t>(id / 100) - 1), keep);
  }
  BOOST_TEST(first.lost() == 0U);
  const auto found = file().fold();
  BOOST_TEST(found.at(0).request.request_id == 5U);
  BOOST_TEST(found[0].events.size() == 9U);
}

BOOST_AUTO_TEST_CASE(a_half_full_of_what_lives_is_not_copied_for_every_frame) {
  std::size_t copies = 0;
  LedgerFile full(bytes(), 1 << 20, [&](std::span<std::byte>) { ++copies; });
  live = {5};
  full.accept(request, 77, keep);
  std::uint32_t position = 0;
  while (full.lost() == 0) full.append(token(5, position++), keep);
  BOOST_TEST(copies == 1U);
  BOOST_TEST(full.pressed());
  for (std::uint32_t i = 0; i < 100; ++i) full.append(token(5, position++), keep);
  BOOST_TEST(copies == 1U);
  BOOST_TEST(full.lost() == 101U);
  BOOST_TEST(file().fold().at(0).events.size() == position - 101U);
  live = {};
  full.forgotten();
  full.append(token(5, position), keep);
  BOOST_TEST(copies == 2U);
  BOOST_TEST(full.lost() == 101U);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_counted_and_harms_nothing) {
  LedgerFile first = file();
  live = {5};
  first.accept(request, 77, keep);
  request.request_id = 6;
  request.prompt_tokens.assign(100'000, 1);
  first.accept(request, 78, keep);
  BOOST_TEST(first.lost() == 1U);
  BOOST_TEST(file().fold().size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::dispatch

// Ended answers that wait for clients to come back hold no more memory than they may.
#include <boost/test/unit_test.hpp>

#include "actors/gateway/ended_answers.hpp"
#include "actors/gateway/ended_budget.hpp"
#include "actors/gateway/http_calls.hpp"

namespace troupe::actors::gateway {
namespace {

using Ids = std::vector<std::uint64_t>;

BOOST_AUTO_TEST_SUITE(ended)

BOOST_AUTO_TEST_CASE(the_oldest_go_first_when_the_bytes_are_too_many) {
  EndedBudget budget(10);
  BOOST_CHECK(budget.add(1, 4).empty());
  BOOST_CHECK(budget.add(2, 4).empty());
  BOOST_CHECK(budget.add(3, 6) == Ids{1});
  BOOST_TEST(budget.bytes() == 10U);
  BOOST_CHECK((budget.add(4, 9) == Ids{2, 3}));
  BOOST_TEST(budget.bytes() == 9U);
}

BOOST_AUTO_TEST_CASE(who_is_asked_for_again_is_the_youngest_and_counts_once) {
  EndedBudget budget(10);
  budget.add(1, 4);
  budget.add(2, 4);
  BOOST_CHECK(budget.add(1, 4).empty());
  BOOST_TEST(budget.bytes() == 8U);
  BOOST_CHECK(budget.add(3, 4) == Ids{2});
}

BOOST_AUTO_TEST_CASE(who_is_larger_than_all_of_it_is_not_kept) {
  EndedBudget budget(10);
  BOOST_CHECK(budget.add(1, 11) == Ids{1});
  BOOST_TEST(budget.bytes() == 0U);
  budget.remove(1);
  BOOST_TEST(budget.bytes() == 0U);
}

// An HTTP call with a key that streams one answer of `text` and ends, on connection `id`.
void run_call(HttpCalls& calls, std::uint64_t id, const std::string& text) {
  Effects effects;
  ParsedCall parsed;
  parsed.stream = true;
  parsed.n = 1;
  const Now now{};
  calls.open(id, parsed, {id}, {}, {.caller = "c", .key = std::to_string(id)}, now);
  messages::ReplyChunk chunk{.request_id = id, .kind = messages::ChunkKind::kAccepted};
  BOOST_TEST(calls.on_chunk(chunk, now, effects));
  chunk.kind = messages::ChunkKind::kFinal;
  chunk.text = text;
  chunk.finish = messages::FinishReason::kStop;
  BOOST_TEST(calls.on_chunk(chunk, now, effects));
}

bool is_kept(HttpCalls& calls, std::uint64_t id) {
  Effects effects;
  return calls.resume(1000 + id, {.caller = "c", .key = std::to_string(id)}, "", Now{}, effects);
}

BOOST_AUTO_TEST_CASE(ended_http_calls_make_room_for_later_ones) {
  const std::string text(10'000, 'x');
  HttpCalls calls(30'000, {}, 35'000);
  for (std::uint64_t id = 1; id <= 5; ++id) run_call(calls, id, text);
  BOOST_TEST(!is_kept(calls, 1));
  BOOST_TEST(!is_kept(calls, 2));
  BOOST_TEST(is_kept(calls, 4));
  BOOST_TEST(is_kept(calls, 5));
  BOOST_TEST(calls.open_calls() == 0U);
}

EndedAnswer ended_answer(std::size_t bytes) {
  EndedAnswer answer;
  answer.emitted.append({.text = std::string(bytes, 'x')});
  return answer;
}

BOOST_AUTO_TEST_CASE(ended_zeromq_answers_make_room_for_later_ones) {
  EndedAnswers answers(35'000);
  for (int id = 1; id <= 5; ++id) answers.keep({"c", std::to_string(id)}, ended_answer(10'000));
  BOOST_CHECK(answers.find({"c", "2"}) == nullptr);
  BOOST_CHECK(answers.find({"c", "3"}) != nullptr);
  answers.keep({"c", "5"}, ended_answer(30'000));
  BOOST_CHECK(answers.find({"c", "3"}) == nullptr);
  BOOST_CHECK(answers.find({"c", "4"}) == nullptr);
  BOOST_REQUIRE(answers.find({"c", "5"}) != nullptr);
  BOOST_TEST(answers.find({"c", "5"})->emitted.size() == 30'000U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway

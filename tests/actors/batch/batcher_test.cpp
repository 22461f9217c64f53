// The batcher: who computes what in which step, and who owns which block.
#include <boost/test/unit_test.hpp>

#include "tests/actors/batch/batcher_words.hpp"

namespace troupe::actors::batch {
namespace {

BOOST_AUTO_TEST_CASE(nothing_to_do_makes_no_batch) {
  Batcher batcher(options());
  BOOST_TEST(!batcher.next_batch());
}

BOOST_AUTO_TEST_CASE(a_lone_request_is_computed_whole_and_then_token_by_token) {
  Batcher batcher(options());
  batcher.add(item(1, 10));
  const auto prefill = batcher.next_batch();
  BOOST_REQUIRE(prefill);
  BOOST_TEST(prefill->joined.size() == 1U);
  BOOST_TEST(prefill->slices[0].count == 10);
  BOOST_TEST(prefill->slices[0].sample);
  BOOST_TEST(!batcher.next_batch());  // one step is under way
  batcher.finish(answer(*prefill));
  const auto decode = batcher.next_batch();
  BOOST_REQUIRE(decode);
  BOOST_TEST(decode->joined.empty());
  BOOST_TEST(decode->slices[0].position == 10);
  BOOST_TEST(decode->slices[0].count == 1);
}

BOOST_AUTO_TEST_CASE(a_request_joins_at_the_next_step_beside_a_running_one) {
  Batcher batcher(options());
  batcher.add(item(1, 10));
  const auto first = batcher.next_batch();
  batcher.add(item(2, 5));
  batcher.finish(answer(*first));
  const auto second = batcher.next_batch();
  BOOST_REQUIRE(second);
  BOOST_TEST(slice_of(*second, 1)->count == 1);
  BOOST_TEST(slice_of(*second, 2)->count == 5);
}

BOOST_AUTO_TEST_CASE(a_long_prompt_is_cut_into_chunks_and_samples_only_at_its_end) {
  Batcher batcher(options(4, 64));
  batcher.add(item(1, 150));
  std::vector<std::int32_t> counts;
  for (int step = 0; step < 3; ++step) {
    const auto batch = batcher.next_batch();
    counts.push_back(batch->slices[0].count);
    BOOST_TEST(batch->slices[0].sample == (step == 2));
    batcher.finish(answer(*batch));
  }
  BOOST_TEST(counts == (std::vector<std::int32_t>{64, 64, 22}));
}

BOOST_AUTO_TEST_CASE(a_running_stream_keeps_its_token_while_a_long_prompt_is_computed) {
  Batcher batcher(options(4, 64));
  batcher.add(item(1, 4));
  batcher.finish(answer(*batcher.next_batch()));
  batcher.add(item(2, 500));
  for (int step = 0; step < 4; ++step) {
    const auto batch = batcher.next_batch();
    BOOST_TEST(slice_of(*batch, 1)->sample);
    BOOST_TEST(slice_of(*batch, 2)->count == 63);
    batcher.finish(answer(*batch));
  }
}

BOOST_AUTO_TEST_CASE(a_finished_request_gives_its_blocks_and_its_credit_back) {
  Batcher batcher(options());
  batcher.add(item(1, 40));
  batcher.finish(answer(*batcher.next_batch(), {1}));
  BOOST_TEST(batcher.blocks().used == 0);
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});
  BOOST_TEST(batcher.take_released().empty());
  batcher.add(item(2, 1));
  BOOST_TEST(batcher.next_batch()->left == std::vector<std::uint64_t>{1});
}

BOOST_AUTO_TEST_CASE(a_cancelled_stream_leaves_after_the_step_under_way) {
  Batcher batcher(options());
  batcher.add(item(1, 4));
  const auto batch = batcher.next_batch();
  batcher.cancel({.request_id = 1, .attempt = 1});
  BOOST_TEST(batcher.blocks().used == 1);  // the step under way still writes to it
  batcher.finish(answer(*batch));
  BOOST_TEST(batcher.blocks().used == 0);
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});
  BOOST_TEST(!batcher.next_batch());
}

BOOST_AUTO_TEST_CASE(a_cancel_between_steps_frees_at_once) {
  Batcher batcher(options());
  batcher.add(item(1, 4));
  batcher.finish(answer(*batcher.next_batch()));
  batcher.cancel({.request_id = 1, .attempt = 1});
  BOOST_TEST(batcher.blocks().used == 0);
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});
}

BOOST_AUTO_TEST_CASE(a_cancel_that_overtakes_its_work_buries_it) {
  Batcher batcher(options());
  batcher.cancel({.request_id = 1, .attempt = 1});
  batcher.add(item(1, 4));
  BOOST_TEST(batcher.waiting() == 0U);
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});
}

BOOST_AUTO_TEST_CASE(a_cancel_of_an_earlier_attempt_spares_a_later_one) {
  Batcher batcher(options());
  batcher.add(item(1, 4, 2));
  batcher.cancel({.request_id = 1, .attempt = 1});
  BOOST_TEST(batcher.next_batch()->slices.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_later_attempt_takes_the_place_of_an_earlier_one_that_waits) {
  Batcher batcher(options());
  batcher.add(item(1, 4, 1));
  batcher.add(item(1, 4, 2));
  BOOST_TEST(batcher.waiting() == 1U);
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});  // of attempt 1
  const auto batch = batcher.next_batch();
  BOOST_TEST(batch->slices.size() == 1U);
  BOOST_TEST(batch->joined.at(0).attempt == 2U);
}

BOOST_AUTO_TEST_CASE(a_later_attempt_takes_the_place_of_an_earlier_one_after_the_step_under_way) {
  Batcher batcher(options());
  batcher.add(item(1, 4, 1));
  const auto step = batcher.next_batch();
  batcher.add(item(1, 4, 2));
  batcher.finish(answer(*step));
  const auto next = batcher.next_batch();
  BOOST_TEST(next->left == std::vector<std::uint64_t>{1});
  BOOST_TEST(next->slices.size() == 1U);
  BOOST_TEST(next->joined.at(0).attempt == 2U);
}

BOOST_AUTO_TEST_CASE(an_attempt_that_is_there_is_not_run_twice) {
  Batcher batcher(options());
  batcher.add(item(1, 4, 2));
  batcher.add(item(1, 4, 2));
  batcher.add(item(1, 4, 1));
  BOOST_TEST(batcher.next_batch()->slices.size() == 1U);
  BOOST_TEST(batcher.waiting() == 0U);
}

BOOST_AUTO_TEST_CASE(more_requests_than_places_wait_their_turn) {
  Batcher batcher(options(2));
  for (std::uint64_t id = 1; id <= 3; ++id) batcher.add(item(id, 4));
  const auto batch = batcher.next_batch();
  BOOST_TEST(batch->slices.size() == 2U);
  batcher.finish(answer(*batch, {1}));
  BOOST_TEST(slice_of(*batcher.next_batch(), 3)->count == 4);
}

BOOST_AUTO_TEST_CASE(when_blocks_run_out_the_youngest_is_computed_again_later) {
  Batcher batcher(options(2, 64, 2));
  batcher.add(item(1, 31));
  batcher.add(item(2, 31));
  const auto first = batcher.next_batch();
  BOOST_TEST(first->slices.size() == 2U);
  batcher.finish(answer(*first));
  batcher.finish(answer(
      *batcher.next_batch()));  // both now know 33 tokens: two blocks each, and there are two
  const auto squeezed = batcher.next_batch();
  BOOST_TEST(squeezed->slices.size() == 1U);
  BOOST_TEST(squeezed->slices[0].request_id == 1U);
  BOOST_TEST(batcher.preemptions() == 1U);
  batcher.finish(answer(*squeezed, {1}));
  const auto again = batcher.next_batch();
  BOOST_REQUIRE(slice_of(*again, 2) != nullptr);
  BOOST_TEST(slice_of(*again, 2)->position == 0);
  BOOST_TEST(slice_of(*again, 2)->count == 33);  // prompt and what was produced
  BOOST_TEST(again->joined.empty());             // infer has not forgotten it
}

BOOST_AUTO_TEST_CASE(work_of_an_old_front_is_dropped) {
  Batcher batcher(options());
  batcher.add(item(1, 4));
  batcher.add(item(2, 4));
  const auto batch = batcher.next_batch();
  batcher.drop_all();
  batcher.finish(answer(*batch));
  BOOST_TEST(batcher.blocks().used == 0);
  BOOST_TEST(!batcher.next_batch());
}

// --- Steps that are planned ahead ---

messages::WorkItem long_item(std::uint64_t id, std::size_t prompt, std::uint32_t tokens = 100) {
  messages::WorkItem work = item(id, prompt);
  work.sampling.max_tokens = tokens;
  return work;
}

BOOST_AUTO_TEST_CASE(streams_have_one_step_planned_behind_the_one_under_way) {
  Batcher batcher(ahead());
  batcher.add(long_item(1, 10));
  batcher.add(long_item(2, 20));
  const auto prefill = batcher.next_batch();
  const auto second = batcher.next_batch();
  BOOST_REQUIRE(second);
  BOOST_TEST(second->step == prefill->step + 1);
  BOOST_TEST(slice_of(*second, 1)->position == 10);
  BOOST_TEST(slice_of(*second, 2)->position == 20);
  BOOST_TEST(slice_of(*second, 2)->count == 1);
  BOOST_TEST(!batcher.next_batch());
  batcher.finish(answer(*prefill));
  const auto third = batcher.next_batch();
  BOOST_REQUIRE(third);
  BOOST_TEST(slice_of(*third, 1)->position == 11);
  batcher.finish(answer(*second));
  batcher.finish(answer(*third));
  BOOST_TEST(slice_of(*batcher.next_batch(), 1)->position == 12);
}

BOOST_AUTO_TEST_CASE(
    no_step_is_planned_ahead_of_a_prompt_or_past_one_who_waits_or_behind_a_long_one) {
  Batcher chunked(ahead());
  chunked.add(long_item(1, 100));
  BOOST_TEST(chunked.next_batch()->slices[0].count == 64);
  BOOST_TEST(!chunked.next_batch());

  Batcher joined(ahead());
  joined.add(long_item(1, 10));
  const auto first = joined.next_batch();
  joined.add(long_item(2, 10));
  BOOST_TEST(!joined.next_batch());
  joined.finish(answer(*first));
  BOOST_TEST(joined.next_batch()->joined.size() == 1U);

  Batcher slow(ahead());
  slow.add(long_item(1, 10));
  const auto step = slow.next_batch();
  BOOST_TEST(slow.next_batch().has_value());
  messages::BatchResult result = answer(*step);
  result.step_us = 30'000;
  slow.finish(result);
  BOOST_TEST(!slow.next_batch());
}

BOOST_AUTO_TEST_CASE(a_sequence_whose_last_token_is_under_way_is_in_no_step_behind_it) {
  Batcher batcher(ahead());
  batcher.add(long_item(1, 10, 2));
  batcher.add(long_item(2, 10, 9));
  const auto first = batcher.next_batch();
  const auto second = batcher.next_batch();
  BOOST_TEST(second->slices.size() == 2U);
  batcher.finish(answer(*first));
  const auto third = batcher.next_batch();
  BOOST_TEST(third->slices.size() == 1U);
  BOOST_TEST(slice_of(*third, 2) != nullptr);
  batcher.finish(answer(*second, {1}));
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});
}

BOOST_AUTO_TEST_CASE(
    who_ends_unforeseen_keeps_its_blocks_until_the_step_behind_has_passed_it_over) {
  Batcher batcher(ahead());
  batcher.add(long_item(1, 10));
  batcher.add(long_item(2, 10));
  const auto first = batcher.next_batch();
  const auto second = batcher.next_batch();
  batcher.finish(answer(*first, {1}));
  BOOST_TEST(released_ids(batcher).empty());
  BOOST_TEST(batcher.blocks().used == 2);
  const auto third = batcher.next_batch();
  BOOST_TEST(slice_of(*third, 1) == nullptr);
  messages::BatchResult passed_over = answer(*second);
  std::erase_if(passed_over.outcomes, [](const auto& outcome) { return outcome.request_id == 1; });
  batcher.finish(passed_over);
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});
  BOOST_TEST(batcher.blocks().used == 1);
  batcher.finish(answer(*third));
  const auto fourth = batcher.next_batch();
  BOOST_TEST(fourth->left == std::vector<std::uint64_t>{1});
  BOOST_TEST(fourth->stained_blocks.empty());  // all that it wrote was found finite
}

BOOST_AUTO_TEST_CASE(who_is_cancelled_leaves_when_both_steps_are_over) {
  Batcher batcher(ahead());
  batcher.add(long_item(1, 10));
  const auto first = batcher.next_batch();
  const auto second = batcher.next_batch();
  batcher.cancel({.request_id = 1, .attempt = 1});
  batcher.finish(answer(*first));
  BOOST_TEST(!batcher.next_batch());
  BOOST_TEST(batcher.blocks().used == 1);
  batcher.finish(answer(*second));
  BOOST_TEST(batcher.blocks().used == 0);
  BOOST_TEST(released_ids(batcher) == std::vector<std::uint64_t>{1});
}

BOOST_AUTO_TEST_CASE(no_step_that_is_planned_ahead_takes_blocks_from_another_sequence) {
  Batcher batcher(ahead(2, 2));  // a block each, and none more
  batcher.add(long_item(1, 31));
  batcher.add(long_item(2, 31));
  const auto first = batcher.next_batch();
  const auto second = batcher.next_batch();
  BOOST_REQUIRE(second);
  batcher.finish(answer(*first));
  BOOST_TEST(!batcher.next_batch());
  BOOST_TEST(batcher.preemptions() == 0U);
  batcher.finish(answer(*second));
  BOOST_TEST(batcher.next_batch().has_value());
  BOOST_TEST(batcher.preemptions() == 1U);
}

BOOST_AUTO_TEST_CASE(a_step_that_infer_passed_over_as_a_whole_teaches_nothing) {
  Batcher batcher(ahead());
  batcher.add(long_item(1, 10));
  const auto first = batcher.next_batch();
  const auto second = batcher.next_batch();
  messages::BatchResult slow = answer(*first, {1});
  slow.step_us = 30'000;
  batcher.finish(slow);
  batcher.finish({.step = second->step});
  batcher.add(long_item(2, 10));
  BOOST_TEST(batcher.next_batch().has_value());
  BOOST_TEST(!batcher.next_batch());  // steps are still slow
}

}  // namespace
}  // namespace troupe::actors::batch

// The batcher and its prefix cache; chunks, and shares of a step.
#include <boost/test/unit_test.hpp>
#include <map>
#include <numeric>

#include "tests/actors/batch/batcher_words.hpp"

namespace troupe::actors::batch {
namespace {

BatcherOptions caching(std::int32_t blocks = 64, std::uint32_t tokens = 256) {
  BatcherOptions with = options(4, tokens, blocks);
  with.prefix_cache = true;
  return with;
}

messages::WorkItem counting_item(std::uint64_t id, std::size_t prompt, std::int32_t first = 0) {
  messages::WorkItem counting = item(id, prompt);
  std::iota(counting.prompt_tokens.begin(), counting.prompt_tokens.end(), first);
  return counting;
}

// Runs a request to its end, `tokens` long; the first batch that it was in.
messages::Batch run(Batcher& batcher, messages::WorkItem work, int tokens = 1) {
  const std::uint64_t id = work.request_id;
  batcher.add(std::move(work));
  std::optional<messages::Batch> first;
  for (int produced = 0; produced < tokens;) {
    const auto batch = batcher.next_batch();
    BOOST_REQUIRE(batch);
    if (!first) first = batch;
    produced += slice_of(*batch, id)->sample ? 1 : 0;
    batcher.finish(produced == tokens ? answer(*batch, {id}) : answer(*batch));
  }
  return *first;
}

BOOST_AUTO_TEST_CASE(a_prompt_that_begins_like_an_earlier_one_starts_after_what_they_share) {
  Batcher batcher(caching());
  run(batcher, counting_item(1, 100));
  BOOST_TEST(batcher.blocks().cached == 3);
  BOOST_TEST(batcher.blocks().used == 0);
  const messages::Batch second = run(batcher, counting_item(2, 200));
  BOOST_TEST(slice_of(second, 2)->position == 96);
  BOOST_TEST(slice_of(second, 2)->count == 104);
  BOOST_TEST(slice_of(second, 2)->cached_tokens == 96U);
  BOOST_TEST(batcher.hit_tokens() == 96U);
}

BOOST_AUTO_TEST_CASE(the_last_token_of_a_prompt_is_computed_even_when_all_is_cached) {
  Batcher batcher(caching());
  run(batcher, counting_item(1, 65));
  BOOST_TEST(slice_of(run(batcher, counting_item(2, 64)), 2)->position == 32);
  BOOST_TEST(slice_of(run(batcher, counting_item(3, 65)), 3)->position == 64);
}

BOOST_AUTO_TEST_CASE(an_answer_is_cached_with_its_prompt_for_the_next_turn) {
  Batcher batcher(caching());
  run(batcher, counting_item(1, 30), 40);  // known: 30 and 39 of the answer, 64 in whole blocks
  messages::WorkItem next = counting_item(2, 30);
  next.prompt_tokens.resize(80, 5);
  BOOST_TEST(slice_of(run(batcher, next), 2)->position == 64);
}

BOOST_AUTO_TEST_CASE(tenants_with_different_salts_share_nothing) {
  Batcher batcher(caching());
  messages::WorkItem theirs = counting_item(1, 100);
  theirs.cache_salt = "them";
  run(batcher, theirs);
  BOOST_TEST(slice_of(run(batcher, counting_item(2, 100)), 2)->position == 0);
  theirs.request_id = 3;
  BOOST_TEST(slice_of(run(batcher, theirs), 3)->position == 96);
}

BOOST_AUTO_TEST_CASE(with_the_cache_off_every_prompt_is_computed_anew) {
  Batcher batcher(options(4, 256, 64));
  run(batcher, counting_item(1, 100));
  BOOST_TEST(batcher.blocks().cached == 0);
  BOOST_TEST(slice_of(run(batcher, counting_item(2, 100)), 2)->position == 0);
}

BOOST_AUTO_TEST_CASE(two_that_compute_the_same_at_once_end_up_in_one_copy) {
  Batcher batcher(caching());
  batcher.add(counting_item(1, 100));
  batcher.add(counting_item(2, 100));
  batcher.finish(answer(*batcher.next_batch()));
  const auto decode = batcher.next_batch();
  BOOST_TEST(batcher.blocks().used == 5);  // three in common, and a last one each
  BOOST_TEST(slice_of(*decode, 1)->blocks[2] == slice_of(*decode, 2)->blocks[2]);
  BOOST_TEST(slice_of(*decode, 1)->blocks[3] != slice_of(*decode, 2)->blocks[3]);
}

BOOST_AUTO_TEST_CASE(nothing_is_cached_before_finite_logits_have_vouched_for_it) {
  Batcher batcher(caching(64, 64));
  batcher.add(counting_item(1, 150));
  batcher.finish(answer(*batcher.next_batch()));  // two blocks, and no logits of them
  batcher.cancel({.request_id = 1, .attempt = 1});
  BOOST_TEST(batcher.blocks().cached == 0);
  const messages::Batch next = run(batcher, counting_item(2, 150));
  BOOST_TEST(slice_of(next, 2)->position == 0);
  BOOST_TEST(next.stained_blocks.size() == 2U);
}

BOOST_AUTO_TEST_CASE(
    blocks_of_a_request_that_was_not_finite_are_zeroed_before_they_are_used_again) {
  Batcher batcher(caching());
  run(batcher, counting_item(9, 40), 2);  // something finite is cached
  batcher.add(counting_item(1, 100));
  const auto batch = batcher.next_batch();
  const std::vector<std::int32_t> blocks = slice_of(*batch, 1)->blocks;
  messages::BatchResult result{.step = batch->step, .nonfinite = 1};
  result.outcomes.push_back({.request_id = 1, .token = -1, .finished = true});
  batcher.finish(result);
  const messages::Batch next = run(batcher, counting_item(2, 100));
  BOOST_TEST(slice_of(next, 2)->position == 32);  // of request 9, and nothing of 1
  // The first was request 9's; the others held its numbers.
  BOOST_TEST(next.stained_blocks == (std::vector<std::int32_t>{blocks.begin() + 1, blocks.end()}));
  batcher.add(counting_item(3, 10));
  BOOST_TEST(batcher.next_batch()->stained_blocks.empty());  // once is enough
}

BOOST_AUTO_TEST_CASE(what_nobody_uses_is_evicted_before_anybody_is_preempted) {
  Batcher batcher(caching(6));
  run(batcher, counting_item(1, 100));  // leaves three cached blocks
  batcher.add(counting_item(2, 120, 1000));
  batcher.finish(answer(*batcher.next_batch()));
  BOOST_TEST(batcher.preemptions() == 0U);
  BOOST_TEST(batcher.blocks().used == 4);
  BOOST_TEST(batcher.blocks().cached + batcher.blocks().free == 2);
}

BOOST_AUTO_TEST_CASE(a_preempted_sequence_finds_its_own_blocks_again) {
  Batcher batcher(caching(6));
  batcher.add(counting_item(1, 62));
  batcher.add(counting_item(2, 62, 1000));
  std::uint64_t position = 0;
  for (int step = 0; step < 120 && batcher.preemptions() == 0; ++step) {
    batcher.finish(answer(*batcher.next_batch()));
  }
  BOOST_REQUIRE(batcher.preemptions() == 1U);
  batcher.cancel({.request_id = 1, .attempt = 1});
  const auto again = batcher.next_batch();
  position = static_cast<std::uint64_t>(slice_of(*again, 2)->position);
  BOOST_TEST(position >= 32U);
  BOOST_TEST(position % 32 == 0U);
  BOOST_TEST(slice_of(*again, 2)->cached_tokens == 0U);  // its usage speaks of its first run
}

BOOST_AUTO_TEST_CASE(several_prompts_share_a_step_and_none_starves) {
  Batcher batcher(options(8, 128, 512));
  batcher.add(item(1, 1000));
  batcher.finish(answer(*batcher.next_batch()));
  for (std::uint64_t id = 2; id <= 7; ++id) batcher.add(item(id, 1000));
  std::map<std::uint64_t, std::int32_t> got;
  for (int step = 0; step < 21; ++step) {
    const auto batch = batcher.next_batch();
    std::int32_t all = 0;
    for (const auto& slice : batch->slices) {
      got[slice.request_id] += slice.count;
      all += slice.count;
    }
    BOOST_TEST(all == 128);
    batcher.finish(answer(*batch));
  }
  // 21 steps of 4 blocks among 7 prompts: 12 blocks each.
  for (std::uint64_t id = 1; id <= 7; ++id) BOOST_TEST(got[id] == 384);
}

BOOST_AUTO_TEST_CASE(a_short_prompt_passes_a_long_one_that_came_before) {
  Batcher batcher(options(4, 128, 512));
  batcher.add(item(1, 4000));
  batcher.finish(answer(*batcher.next_batch()));
  batcher.add(item(2, 50));
  const auto batch = batcher.next_batch();
  BOOST_TEST(slice_of(*batch, 2)->sample);
  BOOST_TEST(slice_of(*batch, 1)->count == 78);  // and the long one takes what is left
}

BOOST_AUTO_TEST_CASE(a_long_prompt_stalls_streams_for_no_more_than_the_target_time) {
  BatcherOptions with = options(4, 512, 512);
  with.step_us_target = 100'000;
  Batcher batcher(with);
  batcher.add(item(1, 10));
  batcher.finish(answer(*batcher.next_batch()));
  batcher.add(item(2, 5000));
  std::uint64_t slowest_us = 0;
  for (int step = 0; step < 30; ++step) {
    const auto batch = batcher.next_batch();
    BOOST_REQUIRE(slice_of(*batch, 1)->sample);  // the stream goes on in every step
    const auto tokens = static_cast<std::uint64_t>(slice_of(*batch, 2)->count);
    messages::BatchResult result = answer(*batch);
    result.step_us = 10'000 + tokens * 700;  // a machine of 1,400 tokens/s
    if (step >= 10) slowest_us = std::max(slowest_us, result.step_us);
    batcher.finish(result);
  }
  BOOST_TEST(slowest_us <= 110'000U);
  BOOST_TEST(slowest_us >= 80'000U);  // and the time is used
}

}  // namespace
}  // namespace troupe::actors::batch

// What a worker remembers of its steps between two beats.
#include "actors/batch/step_journal.hpp"

#include <boost/test/unit_test.hpp>

#include "config/limits.hpp"

namespace troupe::actors::batch {
namespace {

messages::Batch batch_of(std::uint64_t step, std::vector<messages::BatchSlice> slices) {
  messages::Batch batch;
  batch.step = step;
  batch.slices = std::move(slices);
  return batch;
}

messages::BatchSlice slice(std::int32_t count, bool sample) {
  messages::BatchSlice slice;
  slice.count = count;
  slice.sample = sample;
  return slice;
}

void record(StepJournal& journal, std::uint64_t step, std::uint64_t step_us) {
  journal.begin(batch_of(step, {slice(1, true)}));
  journal.finish({.step = step, .step_us = step_us, .outcomes = {{.request_id = 1}}}, 5, {});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(step_journal)

BOOST_AUTO_TEST_CASE(a_step_is_recorded_with_its_shape_its_time_and_what_it_left) {
  StepJournal journal;
  // A stream, a prompt's first chunk, a prompt's last chunk.
  journal.begin(batch_of(7, {slice(1, true), slice(30, false), slice(12, true)}));
  const std::vector<messages::OpRecord> ops{{"attention", 200, 300, 500}};
  journal.finish(
      {.step = 7, .step_us = 900, .outcomes = {{.request_id = 1}, {.request_id = 3}}, .ops = ops},
      1'700'000'000'000'000,
      {.waiting = 2, .kv_blocks_used = 10, .kv_blocks_free = 3, .preemptions = 1});
  const messages::StepRecord expected{.step = 7,
                                      .unix_us = 1'700'000'000'000'000,
                                      .step_us = 900,
                                      .sequences = 3,
                                      .prefill_tokens = 42,
                                      .decode_tokens = 1,
                                      .waiting = 2,
                                      .kv_blocks_used = 10,
                                      .kv_blocks_free = 3,
                                      .preemptions = 1,
                                      .ops = ops};
  BOOST_TEST((journal.take() == std::vector<messages::StepRecord>{expected}));
}

BOOST_AUTO_TEST_CASE(each_step_is_taken_once_and_in_order) {
  StepJournal journal;
  record(journal, 1, 10);
  record(journal, 2, 20);
  const auto first = journal.take();
  BOOST_TEST_REQUIRE(first.size() == 2U);
  BOOST_TEST(first[0].step_us == 10U);
  BOOST_TEST(first[1].step_us == 20U);
  record(journal, 3, 30);
  const auto second = journal.take();
  BOOST_TEST_REQUIRE(second.size() == 1U);
  BOOST_TEST(second[0].step == 3U);
  BOOST_TEST(journal.take().empty());
}

BOOST_AUTO_TEST_CASE(of_two_steps_under_way_the_second_does_not_count_who_ended_in_the_first) {
  StepJournal journal;
  journal.begin(batch_of(1, {slice(1, true), slice(1, true)}));
  journal.begin(batch_of(2, {slice(1, true), slice(1, true)}));
  journal.finish({.step = 1, .outcomes = {{.request_id = 1, .finished = true}, {}}}, 5, {});
  journal.finish({.step = 2, .outcomes = {{.request_id = 2}}}, 6, {});
  const auto taken = journal.take();
  BOOST_TEST_REQUIRE(taken.size() == 2U);
  BOOST_TEST(taken[0].step == 1U);
  BOOST_TEST(taken[0].decode_tokens == 2U);
  BOOST_TEST(taken[1].step == 2U);
  BOOST_TEST(taken[1].sequences == 1U);
  BOOST_TEST(taken[1].decode_tokens == 1U);
}

BOOST_AUTO_TEST_CASE(a_step_whose_sequences_had_all_ended_was_none) {
  StepJournal journal;
  journal.begin(batch_of(1, {slice(1, true)}));
  journal.begin(batch_of(2, {slice(1, true)}));
  journal.finish({.step = 1, .outcomes = {{.request_id = 1, .finished = true}}}, 5, {});
  journal.finish({.step = 2}, 6, {});
  BOOST_TEST(journal.take().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_full_journal_leaves_out_the_newest_and_goes_on_once_it_was_taken) {
  StepJournal journal;
  for (std::uint64_t step = 1; step <= config::kStepRecordsMax + 3; ++step)
    record(journal, step, 1);
  const auto taken = journal.take();
  BOOST_TEST_REQUIRE(taken.size() == config::kStepRecordsMax);
  BOOST_TEST(taken.back().step == config::kStepRecordsMax);
  record(journal, 5000, 1);
  BOOST_TEST(journal.take().size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::actors::batch

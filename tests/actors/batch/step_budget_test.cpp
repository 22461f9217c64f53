// The step budget: how long a step with prompts may make running streams wait.
#include "actors/batch/step_budget.hpp"

#include <boost/test/unit_test.hpp>

namespace troupe::actors::batch {
namespace {

constexpr std::uint64_t kTargetUs = 100'000;

StepBudget budget() {
  return StepBudget({.tokens_max = 512, .tokens_min = 32, .step_us_target = kTargetUs});
}

// A machine: streams cost 20 ms together, a prompt token `token_us`.
std::uint64_t step_us(std::uint32_t streams, std::uint32_t prompt, std::uint64_t token_us) {
  return (streams == 0 ? 0 : 20'000) + prompt * token_us;
}

BOOST_AUTO_TEST_CASE(without_streams_a_prompt_takes_the_whole_step) {
  StepBudget b = budget();
  b.observe(0, 512, step_us(0, 512, 10'000));
  BOOST_TEST(b.prompt_tokens(0) == 512U);
}

BOOST_AUTO_TEST_CASE(streams_keep_their_places_in_a_full_step) {
  const StepBudget b({.tokens_max = 64, .tokens_min = 32, .step_us_target = 0});
  BOOST_TEST(b.prompt_tokens(1) == 63U);
  BOOST_TEST(b.prompt_tokens(64) == 0U);
}

BOOST_AUTO_TEST_CASE(the_first_piece_beside_streams_is_small_while_nothing_is_known) {
  BOOST_TEST(budget().prompt_tokens(3) == 32U);
}

BOOST_AUTO_TEST_CASE(pieces_beside_streams_fill_the_target_time_on_fast_and_on_slow_machines) {
  for (const std::uint64_t token_us : {150U, 400U, 1000U, 2000U}) {
    StepBudget b = budget();
    for (int step = 0; step < 40; ++step) {
      b.observe(4, 0, step_us(4, 0, token_us));
      const std::uint32_t tokens = b.prompt_tokens(4);
      b.observe(4, tokens, step_us(4, tokens, token_us));
    }
    const std::uint64_t us = step_us(4, b.prompt_tokens(4), token_us);
    BOOST_TEST(us <= kTargetUs * 11 / 10);
    BOOST_TEST((us >= kTargetUs * 8 / 10 || b.prompt_tokens(4) == 508U));
  }
}

BOOST_AUTO_TEST_CASE(a_machine_that_becomes_slower_gets_smaller_pieces_within_a_few_steps) {
  StepBudget b = budget();
  const auto run = [&](std::uint64_t token_us) {
    for (int step = 0; step < 12; ++step) {
      b.observe(4, 0, step_us(4, 0, token_us));
      b.observe(4, b.prompt_tokens(4), step_us(4, b.prompt_tokens(4), token_us));
    }
    return b.prompt_tokens(4);
  };
  const std::uint32_t fast = run(300);
  const std::uint32_t slow = run(1200);
  BOOST_TEST(slow * 3 < fast);
  BOOST_TEST(run(300) > 3 * slow);
}

BOOST_AUTO_TEST_CASE(prompts_go_on_by_a_block_where_streams_alone_take_longer_than_the_target) {
  StepBudget b = budget();
  for (int step = 0; step < 20; ++step) b.observe(64, 0, 5 * kTargetUs);
  b.observe(64, 32, 6 * kTargetUs);
  BOOST_TEST(b.prompt_tokens(64) == 32U);
}

BOOST_AUTO_TEST_CASE(what_was_learned_with_many_streams_makes_no_long_step_beside_one) {
  StepBudget b = budget();
  constexpr std::uint64_t kStreamUs = 5'000;
  constexpr std::uint64_t kTokenUs = 1'000;
  for (int step = 0; step < 10; ++step) b.observe(64, 0, 110'000);
  for (int step = 0; step < 20; ++step) b.observe(1, 32, kStreamUs + 32 * kTokenUs);
  for (int step = 0; step < 20; ++step) b.observe(1, 0, kStreamUs);
  for (int step = 0; step < 20; ++step) {
    const std::uint32_t tokens = b.prompt_tokens(1);
    BOOST_TEST(kStreamUs + tokens * kTokenUs <= 2 * kTargetUs);
    b.observe(1, tokens, kStreamUs + tokens * kTokenUs);
  }
  BOOST_TEST(b.prompt_tokens(1) >= 80U);
}

}  // namespace
}  // namespace troupe::actors::batch

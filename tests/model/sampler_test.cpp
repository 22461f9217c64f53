#include "model/sampler.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "model/philox.hpp"

namespace troupe::model {
namespace {

std::vector<float> logs(std::initializer_list<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

SampledToken sample_copy(std::vector<float> logits,
                         const SamplingParams& params,
                         const std::vector<std::int32_t>& prompt = {},
                         const std::vector<std::int32_t>& produced = {},
                         const std::vector<std::int32_t>& banned = {}) {
  return sample(logits, params, prompt, produced, banned);
}

// How often each token is drawn over many positions.
std::map<std::int32_t, int> draws(const std::vector<float>& logits,
                                  const SamplingParams& params,
                                  int count) {
  std::map<std::int32_t, int> counts;
  std::vector<std::int32_t> produced;
  for (int i = 0; i < count; ++i) {
    ++counts[sample_copy(logits, params, {}, produced).id];
    produced.push_back(0);
  }
  return counts;
}

std::set<std::int32_t> support(const std::vector<float>& logits,
                               const SamplingParams& params,
                               int count = 2000) {
  std::set<std::int32_t> ids;
  for (const auto& [id, times] : draws(logits, params, count)) ids.insert(id);
  return ids;
}

std::vector<float> random_logits(std::size_t vocab, std::uint32_t seed) {
  std::mt19937 bits(seed);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = static_cast<float>(bits() % 20000) * 1e-3F;  // with many ties
  return logits;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

BOOST_AUTO_TEST_SUITE(sampler)

// Known answers of the authors' own test vectors (Random123, kat_vectors).
BOOST_AUTO_TEST_CASE(philox_gives_the_published_numbers) {
  using Four = std::array<std::uint32_t, 4>;
  BOOST_TEST(
      (philox({0, 0, 0, 0}, {0, 0}) == Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  BOOST_TEST((philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}) ==
              Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  BOOST_TEST((philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(greedy_takes_the_largest_and_the_lowest_id_of_equals) {
  BOOST_TEST(sample_copy({1, 3, 2}, {.temperature = 0}).id == 1);
  BOOST_TEST(sample_copy({1, 3, 3}, {.temperature = 0}).id == 1);
  std::vector<float> logits = random_logits(1003, 1);
  const auto largest = std::max_element(logits.begin(), logits.end()) - logits.begin();
  BOOST_TEST(sample_copy(logits, {.temperature = 0}).id == largest);
}

BOOST_AUTO_TEST_CASE(a_logit_that_is_not_finite_gives_no_token) {
  for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t at : {0U, 7U, 20U}) {
      std::vector<float> logits(21, 0.5F);
      logits[at] = bad;
      BOOST_TEST(!sample_copy(logits, {.temperature = 0}).finite());
      BOOST_TEST(!sample_copy(logits, {.top_k = 2}).finite());
    }
  }
}

BOOST_AUTO_TEST_CASE(draws_follow_the_distribution) {
  const auto logits = logs({0.5, 0.25, 0.15, 0.1});
  const int count = 20000;
  for (const SamplingParams& params :
       {SamplingParams{.seed = 1}, {.top_k = 4, .seed = 2}, {.top_p = 0.9999F, .seed = 3}}) {
    auto counts = draws(logits, params, count);
    // Standard deviation is at most 0.0036; five of them.
    BOOST_TEST(std::abs(counts[0] / static_cast<double>(count) - 0.5) < 0.018);
    BOOST_TEST(std::abs(counts[1] / static_cast<double>(count) - 0.25) < 0.018);
    BOOST_TEST(std::abs(counts[2] / static_cast<double>(count) - 0.15) < 0.018);
    BOOST_TEST(std::abs(counts[3] / static_cast<double>(count) - 0.1) < 0.018);
  }
}

BOOST_AUTO_TEST_CASE(temperature_sharpens_and_flattens) {
  const auto logits = logs({0.8, 0.2});
  // p² and √p, normalised: 0.64 : 0.04 and 0.894 : 0.447
  BOOST_TEST(std::abs(draws(logits, {.temperature = 0.5F}, 20000)[0] / 20000.0 - 0.64 / 0.68) <
             0.015);
  BOOST_TEST(std::abs(draws(logits, {.temperature = 2.0F}, 20000)[0] / 20000.0 - 2.0 / 3.0) <
             0.018);
  BOOST_TEST((support(logits, {.temperature = 1e-30F}) == std::set<std::int32_t>{0}));
}

BOOST_AUTO_TEST_CASE(top_k_keeps_the_k_most_likely_with_ties_to_the_lowest_ids) {
  BOOST_TEST((support(logs({0.1, 0.4, 0.2, 0.3}), {.top_k = 2}) == std::set<std::int32_t>{1, 3}));
  BOOST_TEST((support({2, 2, 2, 2}, {.top_k = 3}) == std::set<std::int32_t>{0, 1, 2}));
  BOOST_TEST((support(logs({0.5, 0.5}), {.top_k = 10}) == std::set<std::int32_t>{0, 1}));
}

BOOST_AUTO_TEST_CASE(top_p_keeps_the_fewest_that_reach_the_share) {
  const auto logits = logs({0.05, 0.5, 0.3, 0.15});
  BOOST_TEST((support(logits, {.top_p = 0.45F}) == std::set<std::int32_t>{1}));
  BOOST_TEST((support(logits, {.top_p = 0.7F}) == std::set<std::int32_t>{1, 2}));
  BOOST_TEST((support(logits, {.top_p = 0.9F}) == std::set<std::int32_t>{1, 2, 3}));
  BOOST_TEST((support(logits, {.top_p = 0.0F}) == std::set<std::int32_t>{1}));
  // After top-k the shares are of what top-k left: 0.5 / 0.8 reaches 0.6 alone.
  BOOST_TEST((support(logits, {.top_k = 2, .top_p = 0.6F}) == std::set<std::int32_t>{1}));
}

BOOST_AUTO_TEST_CASE(top_p_finds_a_wide_nucleus) {
  const std::vector<float> flat(5000, 1.0F);  // more than the first tries look at
  const auto counts = draws(flat, {.top_p = 0.5F}, 3000);
  BOOST_TEST(counts.rbegin()->first < 2500);
  BOOST_TEST(counts.rbegin()->first > 2300);
}

BOOST_AUTO_TEST_CASE(min_p_is_relative_to_the_most_likely) {
  const auto logits = logs({0.5, 0.3, 0.15, 0.05});
  BOOST_TEST((support(logits, {.min_p = 0.25F}) == std::set<std::int32_t>{0, 1, 2}));
  BOOST_TEST((support(logits, {.top_k = 3, .min_p = 0.5F}) == std::set<std::int32_t>{0, 1}));
  BOOST_TEST((support(logits, {.min_p = 1.0F}) == std::set<std::int32_t>{0}));
}

BOOST_AUTO_TEST_CASE(repetition_penalty_divides_above_zero_and_multiplies_below_once_a_token) {
  std::vector<float> logits = {2, -1, 3, 0.5F};
  const std::vector<std::int32_t> prompt = {0, 0, 1};
  const std::vector<std::int32_t> produced = {
      2, 99, -5};  // ids outside the vocabulary are passed over
  sample(logits, {.temperature = 0, .repetition_penalty = 2.0F}, prompt, produced);
  const std::vector<float> expected = {1, -2, 1.5F, 0.5F};
  BOOST_TEST(logits == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(frequency_and_presence_count_only_produced_tokens) {
  std::vector<float> logits = {2, 2, 2};
  const std::vector<std::int32_t> prompt = {2};
  const std::vector<std::int32_t> produced = {1, 0, 1};
  sample(logits,
         {.temperature = 0, .frequency_penalty = 0.5F, .presence_penalty = 0.25F},
         prompt,
         produced);
  const std::vector<float> expected = {2 - 0.75F, 2 - 1.25F, 2};
  BOOST_TEST(logits == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bias_is_added_and_a_banned_token_is_never_drawn) {
  BOOST_TEST(sample_copy({1, 2, 3}, {.temperature = 0, .logit_bias = {{0, 5.0F}, {77, 1.0F}}}).id ==
             0);
  BOOST_TEST(sample_copy({1, 2, 3}, {.temperature = 0}, {}, {}, {2}).id == 1);
  std::vector<float> logits = {1, 2, 30};
  for (int i = 0; i < 100; ++i) {
    const std::vector<std::int32_t> produced(static_cast<std::size_t>(i), 0);
    for (const SamplingParams& params : {SamplingParams{}, {.top_k = 3}, {.top_p = 0.99F}}) {
      BOOST_TEST(sample_copy(logits, params, {}, produced, {2}).id != 2);
    }
  }
}

BOOST_AUTO_TEST_CASE(log_probabilities_are_before_temperature_and_filters) {
  const auto logits = logs({0.2, 0.5, 0.3});
  const SampledToken token =
      sample_copy(logits, {.temperature = 0.1F, .top_k = 1, .top_logprobs = 2});
  BOOST_TEST(token.id == 1);
  BOOST_TEST(std::abs(token.logprob - std::log(0.5F)) < 1e-5F);
  BOOST_REQUIRE(token.top_logprobs.size() == 2U);
  BOOST_TEST(token.top_logprobs[0].first == 1);
  BOOST_TEST(token.top_logprobs[1].first == 2);
  BOOST_TEST(std::abs(token.top_logprobs[1].second - std::log(0.3F)) < 1e-5F);
  BOOST_TEST(sample_copy(logits, {.top_logprobs = 0}).top_logprobs.empty());
  BOOST_TEST(sample_copy(logits, {.top_logprobs = 50}).top_logprobs.size() == 3U);
}

BOOST_AUTO_TEST_CASE(top_logprobs_are_those_of_a_full_sort) {
  for (const std::size_t vocab : {1U, 100U, 5000U}) {
    const auto logits = random_logits(vocab, 9);
    std::vector<std::int32_t> order(vocab);
    for (std::size_t i = 0; i < vocab; ++i) order[i] = static_cast<std::int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    const SampledToken token = sample_copy(logits, {.temperature = 0, .top_logprobs = 20});
    BOOST_TEST(token.top_logprobs.size() == std::min<std::size_t>(20, vocab));
    for (std::size_t i = 0; i < token.top_logprobs.size(); ++i)
      BOOST_TEST(token.top_logprobs[i].first == order[i]);
  }
}

BOOST_AUTO_TEST_CASE(a_draw_depends_on_seed_choice_and_position_alone) {
  const auto logits = random_logits(500, 4);
  const auto run = [&](std::uint64_t seed, std::uint32_t choice, std::size_t from) {
    std::vector<std::int32_t> ids;
    for (std::size_t i = from; i < 40; ++i) {
      // What was produced does not matter, only how much: a resumed request draws the same.
      const std::vector<std::int32_t> produced(i, static_cast<std::int32_t>(seed % 7));
      ids.push_back(sample_copy(logits, {.seed = seed, .choice = choice}, {1, 2}, produced).id);
    }
    return ids;
  };
  const auto whole = run(1, 0, 0);
  BOOST_TEST(whole == run(1, 0, 0), boost::test_tools::per_element());
  const auto resumed = run(1, 0, 25);
  BOOST_TEST(std::equal(resumed.begin(), resumed.end(), whole.begin() + 25));
  BOOST_TEST((whole != run(2, 0, 0)));
  BOOST_TEST((whole != run(1, 1, 0)));
  BOOST_TEST((whole != run(1 + (std::uint64_t{1} << 40), 0, 0)));
}

BOOST_AUTO_TEST_CASE(a_large_vocabulary_is_filtered_as_a_small_one) {
  std::vector<float> logits(151936, -20.0F);
  logits[151935] = 1.0F;
  logits[70000] = 1.0F;
  BOOST_TEST((support(logits, {.top_k = 2}, 40) == std::set<std::int32_t>{70000, 151935}));
  BOOST_TEST((support(logits, {.min_p = 0.5F}, 40) == std::set<std::int32_t>{70000, 151935}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

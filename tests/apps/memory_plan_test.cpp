// The memory plan: what fits, and in which words the rest is refused.
#include "apps/memory_plan.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>

#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;

// 1,000 MiB usable of a cgroup, 200 of them fixed; a block is 1 MiB, a context 32 of them.
MemoryNeeds needs() {
  return {.model = "m.gguf",
          .limit = 1024 * kMib * 1000 / 960,
          .limit_source = "the cgroup /a (memory.max)",
          .limit_is_ours = true,
          .weights = 100 * kMib,
          .processes = 60 * kMib,
          .scratch = 40 * kMib,
          .sequence_bytes = kMib / 2,
          .block_bytes = kMib,
          .block_tokens = 32,
          .context = 1024,
          .sequences_max = 64,
          .kv_blocks = 0,
          .workers = 1};
}

std::string refusal(const MemoryNeeds& n) {
  try {
    plan_memory(n);
  } catch (const config::UserError& error) {
    return error.what();
  }
  return "accepted";
}

bool says(const std::string& text, const std::vector<std::string>& parts) {
  return std::ranges::all_of(
      parts, [&](const std::string& part) { return text.find(part) != std::string::npos; });
}

BOOST_AUTO_TEST_SUITE(memory_plan)

BOOST_AUTO_TEST_CASE(the_cache_gets_what_weights_scratch_and_logits_leave) {
  const MemoryPlan plan = plan_memory(needs());
  BOOST_TEST(plan.kv_blocks == 768);  // 1,000 less 200 less 32 of logits
  BOOST_TEST(plan.kv == 768 * kMib);
  BOOST_TEST(plan.scratch == 72 * kMib);
  BOOST_TEST(plan.contexts == 24U);
  BOOST_TEST(plan.total() <= plan.limit);
}

BOOST_AUTO_TEST_CASE(no_more_is_planned_than_all_sequences_can_use) {
  MemoryNeeds n = needs();
  n.sequences_max = 4;
  BOOST_TEST(plan_memory(n).kv_blocks == 4 * 32);
}

BOOST_AUTO_TEST_CASE(workers_share_the_weights_and_nothing_else) {
  MemoryNeeds n = needs();
  n.workers = 2;
  const MemoryPlan plan = plan_memory(n);
  BOOST_TEST(plan.weights == 100 * kMib);
  BOOST_TEST(plan.scratch == 144 * kMib);
  BOOST_TEST(plan.kv_blocks == 348);  // of each: (1,000 less 240) / 2 less 32
  BOOST_TEST(plan.kv == 2 * 348 * kMib);
}

BOOST_AUTO_TEST_CASE(of_a_machine_that_others_use_too_the_cache_takes_a_quarter) {
  MemoryNeeds n = needs();
  n.limit_is_ours = false;
  BOOST_TEST(plan_memory(n).kv_blocks == 266);
  n.sequences_max = 100;  // but as much as its sequences must have
  BOOST_TEST(plan_memory(n).kv_blocks == 400);
}

BOOST_AUTO_TEST_CASE(a_model_that_does_not_fit_is_refused_with_the_limit_that_would_do) {
  MemoryNeeds n = needs();
  n.weights = 2000 * kMib;
  BOOST_TEST(says(refusal(n), {"m.gguf", "2000 MiB of weights", "the cgroup /a", "raise that to"}));
}

BOOST_AUTO_TEST_CASE(a_batch_of_128_where_64_fit_is_refused_and_64_is_named) {
  MemoryNeeds n = needs();
  n.limit = (200 + 64 * 4 + 64 / 2 + 2) * kMib * 16 / 15;
  n.sequences_max = 128;
  BOOST_TEST(says(refusal(n), {"batch.sequences_max = 128:", "set batch.sequences_max = 64"}));
  n.sequences_max = 64;
  BOOST_TEST(refusal(n) == "accepted");
}

BOOST_AUTO_TEST_CASE(where_not_one_sequence_fits_no_number_of_them_is_named) {
  MemoryNeeds n = needs();
  n.limit = (200 + 2) * kMib * 16 / 15;
  const std::string text = refusal(n);
  BOOST_TEST(says(text, {"batch.sequences_max = ", ": raise the limit"}));
  BOOST_TEST(text.find("set batch.sequences_max") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_context_that_does_not_fit_is_refused_and_one_that_does_is_named) {
  MemoryNeeds n = needs();
  n.sequences_max = 1;
  n.context = 32 * 2000;
  BOOST_TEST(says(refusal(n), {"64000 tokens of context", "2000 MiB", "set --context 25568"}));
  n.context = 25568;
  BOOST_TEST(refusal(n) == "accepted");
}

BOOST_AUTO_TEST_CASE(too_many_and_too_few_blocks_are_refused_with_the_bounds) {
  MemoryNeeds n = needs();
  n.kv_blocks = 769;
  BOOST_TEST(says(refusal(n), {"batch.kv_blocks = 769 needs 769 MiB", "768 MiB are left", "768"}));
  n.kv_blocks = 768;
  BOOST_TEST(plan_memory(n).kv_blocks == 768);
  n.kv_blocks = 31;
  BOOST_TEST(says(refusal(n), {"holds no whole context of 1024", "at least 32"}));
}

// Follows the advice of each refusal once for each setting that may be wrong.
BOOST_AUTO_TEST_CASE(a_plan_never_exceeds_the_limit_and_always_holds_one_context) {
  std::mt19937 bits{3};
  const auto random = [&] { return static_cast<std::uint32_t>(bits()); };
  int planned = 0;
  for (int i = 0; i < 20'000; ++i) {
    MemoryNeeds n = needs();
    n.limit = random() % (4096 * kMib);
    n.limit_is_ours = random() % 2 == 0;
    n.weights = random() % (1024 * kMib);
    n.block_bytes = 1 + random() % kMib;
    n.context = 1 + random() % 10'000;
    n.sequences_max = 1 + random() % 300;
    n.kv_blocks = random() % 2 == 0 ? 0 : random() % 4000;
    n.workers = 1 + random() % 3;
    try {
      const MemoryPlan plan = plan_memory(n);
      ++planned;
      BOOST_REQUIRE(plan.total() <= n.limit);
      BOOST_REQUIRE(plan.contexts >= 1U);
    } catch (const config::UserError& error) {
      BOOST_REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
    }
  }
  BOOST_TEST(planned > 1000);
}

BOOST_AUTO_TEST_CASE(the_plan_reads_as_one_line_that_adds_up) {
  const std::string text = to_text(plan_memory(needs()));
  BOOST_TEST(says(text,
                  {"100 MiB of weights",
                   "768 MiB of KV cache (768 blocks",
                   "72 MiB of scratch",
                   "60 MiB of processes = 1000 MiB of the 1067 MiB of the cgroup /a"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::apps

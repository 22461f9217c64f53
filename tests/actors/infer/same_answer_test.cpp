// The promise of the same answer, as a property: whatever the schedule, every token and every
// log-probability has the bits that it has when its request runs alone.
//
// A failing schedule prints its seed; TROUPE_SEED=n runs that one alone. TROUPE_SCHEDULES=n draws
// so many.
#include <boost/test/unit_test.hpp>

#include "tests/actors/infer/schedules.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::tests {
namespace {

using Engines = std::vector<actors::infer::Engine*>;

// Prompts of three families: those of one begin alike, for as long as both go.
std::vector<std::int32_t> draw_prompt(Dice& random, std::uint32_t vocabulary) {
  const std::uint32_t family = random() % 3;
  const std::uint32_t common = random() % 140;
  const std::uint32_t own = 1 + random() % 20;
  std::vector<std::int32_t> tokens;
  for (std::uint32_t i = 0; i < common; ++i) {
    tokens.push_back(static_cast<std::int32_t>((i * 29 + family * 83) % vocabulary));
  }
  for (std::uint32_t i = 0; i < own; ++i) {
    tokens.push_back(static_cast<std::int32_t>(random() % vocabulary));
  }
  return tokens;
}

std::vector<messages::WorkItem> draw_requests(std::size_t count, std::uint32_t vocabulary) {
  Dice random(7);
  std::vector<messages::WorkItem> items(count);
  for (std::size_t i = 0; i < count; ++i) {
    items[i].request_id = i + 1;
    items[i].prompt_tokens = draw_prompt(random, vocabulary);
    items[i].sampling = draw_sampling(random, 20);
  }
  return items;
}

// The engines answer alike and differ in their threads. Many threads on few cores are slow: half of
// the schedules have one.
void check_schedules(const Engines& engines, const Catalog& catalog, std::uint32_t count) {
  Seen seen;
  const std::uint32_t only = number_from("TROUPE_SEED", 0);
  for (std::uint32_t seed = 1; seed <= count; ++seed) {
    if (only != 0 && seed != only) continue;
    actors::infer::Engine& engine = *engines[seed % 2 == 0 ? 0 : seed / 2 % engines.size()];
    const std::string complaint = run_schedule(seed, engine, catalog, seen);
    BOOST_REQUIRE_MESSAGE(
        complaint.empty(),
        "schedule " << seed << " (TROUPE_SEED=" << seed << " replays it): " << complaint);
  }
  BOOST_TEST_MESSAGE(count << " schedules: " << seen.preemptions << " preemptions, "
                           << seen.hit_tokens << " cached tokens, " << seen.cancels << " cancels, "
                           << seen.resumes << " resumes, " << seen.steps_ahead << " steps ahead");
  if (only != 0) return;
  BOOST_TEST(seen.preemptions > 0U);
  BOOST_TEST(seen.hit_tokens > count);
  BOOST_TEST(seen.resumes > 0U);
  BOOST_TEST(seen.steps_ahead > count);
}

void check_tiny(model::Precision precision, kernels::KvType kv, std::uint32_t count) {
  std::vector<std::unique_ptr<TinyEngine>> tiny;
  Engines engines;
  for (int threads = 1; threads <= 4; ++threads) {
    tiny.push_back(std::make_unique<TinyEngine>(
        TinyEngine::Options{.threads = threads, .precision = precision, .kv = kv}));
    engines.push_back(&tiny.back()->engine);
  }
  const Catalog catalog(*engines[0], draw_requests(40, 250));
  check_schedules(engines, catalog, count);
}

BOOST_AUTO_TEST_SUITE(same_answer)

BOOST_AUTO_TEST_CASE(in_any_schedule_an_answer_has_the_bits_that_it_has_alone_in_int8) {
  check_tiny(
      model::Precision::kDefault, kernels::KvType::kBf16, number_from("TROUPE_SCHEDULES", 1000));
}

BOOST_AUTO_TEST_CASE(in_any_schedule_an_answer_has_the_bits_that_it_has_alone_with_an_int8_cache) {
  check_tiny(
      model::Precision::kDefault, kernels::KvType::kInt8, number_from("TROUPE_SCHEDULES", 1000));
}

BOOST_AUTO_TEST_CASE(in_any_schedule_an_answer_has_the_bits_that_it_has_alone_in_exact) {
  check_tiny(
      model::Precision::kExact, kernels::KvType::kBf16, number_from("TROUPE_SCHEDULES", 500));
}

BOOST_AUTO_TEST_CASE(so_it_has_in_exact_with_an_int8_cache) {
  check_tiny(
      model::Precision::kExact, kernels::KvType::kInt8, number_from("TROUPE_SCHEDULES", 250));
}

BOOST_AUTO_TEST_CASE(so_it_has_in_q4) {
  check_tiny(model::Precision::kQ4, kernels::KvType::kBf16, number_from("TROUPE_SCHEDULES", 500));
}

BOOST_AUTO_TEST_CASE(so_it_has_in_fp32) {
  check_tiny(model::Precision::kFp32, kernels::KvType::kF32, number_from("TROUPE_SCHEDULES", 250));
}

BOOST_AUTO_TEST_CASE(so_it_has_with_a_real_model) {
  const auto path = model_file(kSmolLm2);
  const model::ModelFile file = model::ModelFile::open(path);
  std::vector<std::unique_ptr<actors::infer::Engine>> owners;
  Engines engines;
  for (const int threads : {1, 2}) {
    constexpr auto kPrecision = model::Precision::kDefault;
    owners.push_back(std::make_unique<actors::infer::Engine>(
        file,
        kernels::make_cpu_device(threads),
        actors::infer::EngineOptions{
            .step_tokens_max = kScheduleStepTokens,
            .sequences_max = kScheduleSequences,
            .kv_blocks = kScheduleBlocks,
            .end_tokens = {2},
            .weights = {.precision = kPrecision,
                        .kv = kernels::KvType::kBf16,
                        .packed_file = model::packed_file_of(path, kPrecision)}}));
    engines.push_back(owners.back().get());
  }
  const Catalog catalog(*engines[0], draw_requests(8, 40'000));
  check_schedules(engines, catalog, std::min(36U, number_from("TROUPE_SCHEDULES", 36)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::tests

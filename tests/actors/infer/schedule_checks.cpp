#include "tests/actors/infer/schedule_checks.hpp"

#include <boost/test/unit_test.hpp>

namespace troupe::tests {
namespace {

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

}  // namespace

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

// Many threads on few cores are slow: half of the schedules have one.
void check_schedules(const std::vector<actors::infer::Engine*>& engines,
                     const Catalog& catalog,
                     std::uint32_t count) {
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
  if (only != 0 || count < 30) return;  // too few to have seen all of it
  BOOST_TEST(seen.preemptions > 0U);
  BOOST_TEST(seen.hit_tokens > count);
  BOOST_TEST(seen.resumes > 0U);
  BOOST_TEST(seen.steps_ahead > count);
}

void check_tiny(TinyEngine::Options options, std::uint32_t count, std::size_t requests) {
  std::vector<std::unique_ptr<TinyEngine>> tiny;
  std::vector<actors::infer::Engine*> engines;
  for (options.threads = 1; options.threads <= 4; ++options.threads) {
    tiny.push_back(std::make_unique<TinyEngine>(options));
    engines.push_back(&tiny.back()->engine);
  }
  const Catalog catalog(*engines[0], draw_requests(requests, 250));
  check_schedules(engines, catalog, count);
}

}  // namespace troupe::tests

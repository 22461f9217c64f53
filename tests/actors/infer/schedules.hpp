// Random schedules over a batcher and an engine, and what each request answers alone.
#pragma once

#include <memory>
#include <random>

#include "tests/actors/infer/served.hpp"

namespace troupe::tests {

// The same draws from a seed everywhere.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : bits_(seed) {}

  std::uint32_t operator()() { return static_cast<std::uint32_t>(bits_()); }

 private:
  std::mt19937 bits_;
};

// Any way to sample, with up to `tokens_max` tokens.
messages::Sampling draw_sampling(Dice& random, std::uint32_t tokens_max);

inline constexpr std::int32_t kScheduleBlocks = 64;     // of the engines' pools
inline constexpr std::uint32_t kScheduleSequences = 8;  // that they hold in a step
inline constexpr std::uint32_t kScheduleStepTokens = 256;

// Requests, and what they answer alone: in whole steps, with nothing cached.
struct Catalog {
  Catalog(actors::infer::Engine& engine, std::vector<messages::WorkItem> requests);

  std::vector<messages::WorkItem> items;
  std::vector<ServedAnswer> answers;
  std::int32_t blocks_min = 0;  // of a pool that holds the longest of them
};

// What schedules did, so that a test can say that they did it.
struct Seen {
  std::uint64_t preemptions = 0;
  std::uint64_t hit_tokens = 0;
  std::uint64_t cancels = 0;
  std::uint64_t resumes = 0;
  std::uint64_t steps_ahead = 0;
};

// Draws one and runs it: size of the pool and of the steps, step times and how many are planned
// ahead, prefix cache, company,
// arrivals, cancels, and resumes from what was produced. Empty when every answer had the right
// bits; else what was wrong.
std::string run_schedule(std::uint32_t seed,
                         actors::infer::Engine& engine,
                         const Catalog& catalog,
                         Seen& seen);

// A number from the environment: TROUPE_SEED, TROUPE_SCHEDULES.
std::uint32_t number_from(const char* variable, std::uint32_t otherwise);

}  // namespace troupe::tests

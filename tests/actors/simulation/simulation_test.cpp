// The promise of docs/architecture.md ("A worker dies") under thousands of seeds, and the proof
// that the simulator would see it broken. TROUPE_SEED replays one seed, TROUPE_SEEDS sets how many
// run.
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "model/model_file.hpp"
#include "tests/actors/simulation/simulator.hpp"
#include "tests/support/gguf_builder.hpp"

namespace troupe::tests {
namespace {

using actors::dispatch::Mutant;

std::shared_ptr<const model::Tokenizer> byte_tokenizer() {
  const std::vector<std::byte> bytes = GgufBuilder().byte_tokenizer({"<|end|>"}).build();
  return std::make_shared<const model::Tokenizer>(model::ModelFile::parse(bytes, "tiny"));
}

std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

std::string run_seed(SimulatorOptions options, Seen& sum) {
  static const auto tokenizer = byte_tokenizer();
  Seen seen;
  std::string fault;
  try {
    fault = Simulator(options, tokenizer).run(seen);
  } catch (const std::exception& error) {
    fault = std::string("something throws: ") + error.what();
  }
  sum.steps += seen.steps;
  sum.requests += seen.requests;
  sum.worker_deaths += seen.worker_deaths;
  sum.poison_deaths += seen.poison_deaths;
  sum.front_deaths += seen.front_deaths;
  sum.cuts += seen.cuts;
  sum.stage_restarts += seen.stage_restarts;
  sum.thrown_midway += seen.thrown_midway;
  sum.hangs += seen.hangs;
  sum.reconnects += seen.reconnects;
  sum.losses += seen.losses;
  sum.resumed += seen.resumed;
  sum.cancels += seen.cancels;
  sum.quarantined += seen.quarantined;
  sum.deadlines += seen.deadlines;
  sum.calls += seen.calls;
  sum.refused_calls += seen.refused_calls;
  return fault;
}

// What the simulator says of a mutant when it looks for the fault `only`; empty: the mutant
// survived every seed.
std::string caught(SimulatorOptions options) {
  constexpr std::uint32_t kSeedsMax = 1'000;
  Seen seen;
  for (options.seed = 1; options.seed <= kSeedsMax; ++options.seed) {
    const std::string fault = run_seed(options, seen);
    if (!fault.empty()) return fault;
  }
  return {};
}

BOOST_AUTO_TEST_SUITE(simulation)

BOOST_AUTO_TEST_CASE(whoever_dies_every_request_ends_once_with_the_tokens_of_an_undisturbed_run) {
  const std::uint32_t first = number_from("TROUPE_SEED", 1);
  const bool replay = std::getenv("TROUPE_SEED") != nullptr;
  const std::uint32_t seeds = replay ? 1 : number_from("TROUPE_SEEDS", 2'000);
  Seen seen;
  for (std::uint32_t seed = first; seed < first + seeds; ++seed) {
    const std::string fault = run_seed({.seed = seed}, seen);
    BOOST_REQUIRE_MESSAGE(fault.empty(), fault << "; replay it with TROUPE_SEED=" << seed);
  }
  BOOST_TEST_MESSAGE(
      seeds << " seeds: " << seen.steps << " steps, " << seen.requests << " requests, "
            << seen.worker_deaths << " workers killed, " << seen.poison_deaths << " poisoned, "
            << seen.front_deaths << " fronts killed, " << seen.cuts << " while they wrote, "
            << seen.hangs << " hangs, " << seen.stage_restarts << " stages restarted, "
            << seen.thrown_midway << " of them midway, " << seen.reconnects << " links and "
            << seen.losses << " times messages lost, " << seen.resumed << " requests resumed, "
            << seen.cancels << " cancelled, " << seen.quarantined << " quarantined, "
            << seen.deadlines << " too late, " << seen.calls
            << " calls of several answers, of which " << seen.refused_calls
            << " answers were refused");
  if (replay) return;
  BOOST_TEST(seen.worker_deaths > seeds);
  BOOST_TEST(seen.front_deaths > seeds);
  BOOST_TEST(seen.resumed > seeds);
  BOOST_TEST(seen.cancels > seeds / 4);
  BOOST_TEST(seen.quarantined > seeds / 4);
  BOOST_TEST(seen.cuts > seeds);
  BOOST_TEST(seen.stage_restarts > seeds);
  BOOST_TEST(seen.thrown_midway > seeds / 2);
  BOOST_TEST(seen.hangs > seeds);
  BOOST_TEST(seen.reconnects > seeds);
  BOOST_TEST(seen.losses > seeds);
  BOOST_TEST(seen.deadlines > seeds / 4);
  BOOST_TEST(seen.calls > seeds);
  BOOST_TEST(seen.refused_calls > seeds / 20);
}

BOOST_AUTO_TEST_CASE(a_seed_replays_exactly) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    Seen one;
    Seen two;
    BOOST_TEST(run_seed({.seed = seed}, one) == run_seed({.seed = seed}, two));
    BOOST_TEST(one.steps == two.steps);
    BOOST_TEST(one.resumed == two.resumed);
  }
}

// Each mutant by the fault that is its own, whatever else it breaks.
#define CATCHES(name, fault, ...)                                                   \
  BOOST_AUTO_TEST_CASE(name) {                                                      \
    const std::string found = caught(SimulatorOptions{__VA_ARGS__, .only = fault}); \
    BOOST_TEST_MESSAGE(found);                                                      \
    BOOST_TEST(!found.empty(), "the mutant survived every seed");                   \
  }

CATCHES(a_front_that_emits_before_it_journals_is_caught,
        "a front promised what its ledger lacks",
        .emit_before_journal = true)
CATCHES(an_attempt_that_is_not_raised_is_caught,
        "an attempt is given out twice",
        .mutant = Mutant::kAttemptNotRaised)
CATCHES(a_credit_that_is_freed_on_cancel_is_caught,
        "a worker holds more than its credit",
        .mutant = Mutant::kCreditFreedOnCancel)
CATCHES(a_duplicate_that_is_accepted_is_caught,
        "the journal takes a token twice",
        .mutant = Mutant::kDuplicateAccepted)
CATCHES(a_stale_token_that_is_accepted_is_caught,
        "the journal takes a token of an attempt that is over",
        .mutant = Mutant::kStaleAccepted)
CATCHES(a_gap_that_is_accepted_is_caught,
        "the journal lacks a token",
        .mutant = Mutant::kGapAccepted)
CATCHES(a_resumed_request_at_the_back_is_caught,
        "which was resumed",
        .mutant = Mutant::kResumeAtTheBack)
CATCHES(an_end_that_a_death_forgets_is_caught,
        "work beyond the last token",
        .mutant = Mutant::kEndForgottenOnDeath)
CATCHES(suspects_that_run_together_are_caught,
        "a suspect runs in company",
        .mutant = Mutant::kSuspectsTogether)
CATCHES(a_front_that_forgets_its_suspects_is_caught,
        "a new front trusts a suspect",
        .mutant = Mutant::kSuspicionForgotten)
CATCHES(a_loss_on_a_link_that_is_ignored_is_caught,
        "never ends",
        .mutant = Mutant::kLossIgnored,
        .fronts_live = true,
        .stages_live = true)
CATCHES(a_lost_message_that_nobody_notices_is_caught, "never ends", .losses_unnoticed = true)
CATCHES(a_worker_that_takes_any_message_for_the_first_is_caught,
        "never ends",
        .first_losses_unnoticed = true)
CATCHES(a_cancel_that_is_ignored_is_caught,
        "a cancel does not end its request",
        .mutant = Mutant::kCancelIgnored)
CATCHES(a_cancelled_request_that_is_resumed_is_caught,
        "work for a request that has ended",
        .mutant = Mutant::kCancelledResumed)
CATCHES(a_deadline_that_is_ignored_is_caught,
        "a request outlives its deadline",
        .mutant = Mutant::kDeadlineIgnored)
CATCHES(a_priority_that_is_ignored_is_caught,
        "which is more urgent",
        .mutant = Mutant::kPriorityIgnored)
CATCHES(a_call_of_which_a_part_is_refused_is_caught,
        "a part of a call is refused",
        .mutant = Mutant::kCallTorn)
CATCHES(a_message_that_throws_and_is_not_handled_again_is_caught,
        "never ends",
        .message_dropped_on_throw = true,
        .fronts_live = true)
CATCHES(a_replay_that_the_gateway_passes_on_is_caught,
        "a chunk does not follow the one before",
        .replay_unfiltered = true)
CATCHES(a_restart_that_counts_requests_again_is_caught,
        "requests are not conserved",
        .mutant = Mutant::kRestartCountsAgain)
CATCHES(a_request_that_a_death_loses_is_caught, "never ends", .mutant = Mutant::kRequestLostOnDeath)

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::tests

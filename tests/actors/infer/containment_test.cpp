// A number that is not finite ends its own request and touches no other, now or later.
#include <boost/test/unit_test.hpp>

#include "tests/actors/infer/served.hpp"

namespace troupe::tests {
namespace {

constexpr std::int32_t kPoison = 252;  // a byte that no text of the calibration holds

messages::WorkItem item(std::uint64_t id, std::size_t prompt) {
  messages::WorkItem work{.request_id = id, .attempt = 1};
  for (std::size_t i = 0; i < prompt; ++i) {
    work.prompt_tokens.push_back(static_cast<std::int32_t>((i * 37 + 11 * id) % 250));
  }
  // Not drawn by chance: then it would be the answer that is poisoned.
  work.sampling = {.temperature = 0.8F,
                   .logit_bias = {{kPoison, -100.0F}},
                   .seed = id,
                   .top_logprobs = 2,
                   .max_tokens = 12,
                   .ignore_eos = true};
  return work;
}

messages::WorkItem poisoned(std::uint64_t id, std::size_t prompt, std::size_t at) {
  messages::WorkItem work = item(id, prompt);
  work.prompt_tokens[at] = kPoison;
  return work;
}

struct Case {
  kernels::CpuBackend backend;
  model::Precision precision;
  kernels::KvType kv;
};

std::vector<Case> cases() {
  using kernels::CpuBackend;
  using kernels::KvType;
  using model::Precision;
  return {{CpuBackend::kAuto, Precision::kFp32, KvType::kF32},
          {CpuBackend::kAuto, Precision::kDefault, KvType::kBf16},
          {CpuBackend::kAuto, Precision::kDefault, KvType::kInt8},
          {CpuBackend::kScalar, Precision::kFp32, KvType::kF32},
          {CpuBackend::kScalar, Precision::kDefault, KvType::kInt8}};
}

TinyEngine engine_of(const Case& c) {
  return TinyEngine({.threads = 2,
                     .precision = c.precision,
                     .kv = c.kv,
                     .backend = c.backend,
                     .poisoned_token = kPoison});
}

BOOST_AUTO_TEST_SUITE(containment)

BOOST_AUTO_TEST_CASE(a_poisoned_request_ends_with_an_error_and_its_company_goes_on_unchanged) {
  for (const Case& c : cases()) {
    TinyEngine tiny = engine_of(c);
    const ServedAnswer first = tiny.alone(item(1, 40));
    const ServedAnswer second = tiny.alone(item(2, 90));
    BOOST_REQUIRE(first.tokens.size() == 12U);
    for (const bool plans_ahead : {false, true}) {
      auto options = tiny.plain();
      options.plans_ahead = plans_ahead;
      Served served(tiny.engine, options);
      served.add(item(1, 40));
      served.add(poisoned(3, 70, 35));
      served.add(item(2, 90));
      served.run();
      BOOST_TEST((served.steps_ahead > 0) == plans_ahead);
      BOOST_TEST(served.nonfinite == 1U);
      BOOST_TEST((served.answers[3].finish == messages::FinishReason::kError));
      BOOST_TEST(served.answers[3].tokens.empty());
      BOOST_TEST(served.answers[1] == first);
      BOOST_TEST(served.answers[2] == second);
    }
  }
}

BOOST_AUTO_TEST_CASE(it_ends_with_an_error_wherever_the_poison_lies_and_however_it_is_cut) {
  for (const Case& c : cases()) {
    TinyEngine tiny = engine_of(c);
    for (const std::size_t at : {0U, 31U, 32U, 60U, 69U}) {
      for (const std::uint32_t step_tokens : {8U, 33U, 256U}) {
        auto options = tiny.plain();
        options.step_tokens_max = step_tokens;
        options.prefix_cache = true;
        Served served(tiny.engine, options);
        served.add(poisoned(3, 70, at));
        served.run();
        BOOST_TEST(served.nonfinite == 1U);
        BOOST_TEST(served.batcher().blocks().cached == 0);
      }
    }
  }
}

// The pool is just large enough for one of them, so the next request gets the poisoned blocks, and
// its last block is longer than what it fills of it.
BOOST_AUTO_TEST_CASE(the_blocks_of_a_poisoned_request_do_not_hurt_the_next_one) {
  for (const Case& c : cases()) {
    TinyEngine tiny = engine_of(c);
    const ServedAnswer right = tiny.alone(item(4, 70));
    for (const std::uint32_t step_tokens : {16U, 256U}) {
      auto options = tiny.plain();
      options.kv_blocks = 3;
      options.step_tokens_max = step_tokens;
      options.prefix_cache = true;
      Served served(tiny.engine, options);
      served.add(poisoned(3, 80, 2));
      served.run();
      served.add(item(4, 70));
      served.run();
      BOOST_TEST(served.answers[4] == right);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_poisoned_request_that_is_cancelled_half_way_leaves_nothing_behind) {
  for (const Case& c : cases()) {
    TinyEngine tiny = engine_of(c);
    const ServedAnswer right = tiny.alone(item(4, 70));
    auto options = tiny.plain();
    options.kv_blocks = 3;
    options.step_tokens_max = 48;
    options.prefix_cache = true;
    Served served(tiny.engine, options);
    served.add(poisoned(3, 80, 2));
    served.step(0, [] {});  // a chunk without logits
    served.cancel(3, 1);
    served.add(item(4, 70));
    served.run();
    BOOST_TEST(served.answers[4] == right);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::tests

// The promise of the same answer, as a property: whatever the schedule, every token and every
// log-probability has the bits that it has when its request runs alone.
//
// A failing schedule prints its seed; TROUPE_SEED=n runs that one alone. TROUPE_SCHEDULES=n draws
// so many of each kind.
#include <boost/test/unit_test.hpp>

#include "tests/actors/infer/schedule_checks.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::tests {
namespace {

BOOST_AUTO_TEST_SUITE(same_answer)

BOOST_AUTO_TEST_CASE(in_any_schedule_an_answer_has_the_bits_that_it_has_alone_in_int8) {
  check_tiny({.precision = model::Precision::kDefault, .kv = kernels::KvType::kBf16},
             number_from("TROUPE_SCHEDULES", 1000));
}

BOOST_AUTO_TEST_CASE(in_any_schedule_an_answer_has_the_bits_that_it_has_alone_with_an_int8_cache) {
  check_tiny({.precision = model::Precision::kDefault, .kv = kernels::KvType::kInt8},
             number_from("TROUPE_SCHEDULES", 1000));
}

BOOST_AUTO_TEST_CASE(in_any_schedule_an_answer_has_the_bits_that_it_has_alone_in_exact) {
  check_tiny({.precision = model::Precision::kExact, .kv = kernels::KvType::kBf16},
             number_from("TROUPE_SCHEDULES", 500));
}

BOOST_AUTO_TEST_CASE(so_it_has_in_exact_with_an_int8_cache) {
  check_tiny({.precision = model::Precision::kExact, .kv = kernels::KvType::kInt8},
             number_from("TROUPE_SCHEDULES", 250));
}

BOOST_AUTO_TEST_CASE(so_it_has_in_q4) {
  check_tiny({.precision = model::Precision::kQ4, .kv = kernels::KvType::kBf16},
             number_from("TROUPE_SCHEDULES", 500));
}

BOOST_AUTO_TEST_CASE(so_it_has_in_fp32) {
  check_tiny({.precision = model::Precision::kFp32, .kv = kernels::KvType::kF32},
             number_from("TROUPE_SCHEDULES", 250));
}

BOOST_AUTO_TEST_CASE(so_it_has_on_every_backend_and_in_every_mode) {
  for (const kernels::CpuBackend backend : kernels::runnable_cpu_backends()) {
    if (backend == kernels::CpuBackend::kScalar) continue;  // the next case: it is slow
    for (const Numerics& numerics : kAllNumerics) {
      BOOST_TEST_CONTEXT("backend " << kernels::make_cpu_device(1, backend)->backend()
                                    << ", precision " << model::name_of(numerics.precision)) {
        check_tiny({.precision = numerics.precision, .kv = numerics.kv, .backend = backend},
                   number_from("TROUPE_SCHEDULES", 60));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(so_it_has_on_the_reference_backend) {
  check_tiny({.precision = model::Precision::kDefault,
              .kv = kernels::KvType::kInt8,
              .backend = kernels::CpuBackend::kScalar},
             number_from("TROUPE_SCHEDULES", 10),
             12);
}

BOOST_AUTO_TEST_CASE(so_it_has_with_a_real_model) {
  const auto path = model_file(kSmolLm2);
  const model::ModelFile file = model::ModelFile::open(path);
  std::vector<std::unique_ptr<actors::infer::Engine>> owners;
  std::vector<actors::infer::Engine*> engines;
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

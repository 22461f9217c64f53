// The promise of the same answer with tile kernels, on every machine.
#include <boost/test/unit_test.hpp>

#include "kernels/cpu/cpu_features.hpp"
#include "tests/actors/infer/schedule_checks.hpp"
#include "tests/kernels/emulated_tiles.hpp"

namespace troupe::tests {
namespace {

BOOST_AUTO_TEST_SUITE(emulated_same_answer)

BOOST_AUTO_TEST_CASE(in_any_schedule_an_answer_has_the_bits_that_it_has_alone_on_emulated_tiles) {
  if (!kernels::cpu_has_vnni() || !kernels::cpu_has_bf16()) return;
  for (const Numerics& numerics : kAllNumerics) {
    const std::uint64_t before = kernels::emulated_tiles::products_done();
    check_tiny(
        {.precision = numerics.precision, .kv = numerics.kv, .backend = kernels::CpuBackend::kAmx},
        number_from("TROUPE_SCHEDULES", 30));
    if (numerics.precision == model::Precision::kFp32) continue;  // it has no tiles
    BOOST_TEST(kernels::emulated_tiles::products_done() > before);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::tests

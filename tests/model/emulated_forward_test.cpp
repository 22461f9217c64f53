// That the forward passes beside this one ran on the emulated tile unit.
#include <boost/test/unit_test.hpp>

#include "kernels/cpu/cpu_features.hpp"
#include "tests/kernels/emulated_tiles.hpp"
#include "tests/model/tiny_engine.hpp"

namespace troupe::model {
namespace {

BOOST_AUTO_TEST_SUITE(emulated_forward)

BOOST_AUTO_TEST_CASE(forward_passes_in_int8_and_bf16_multiply_emulated_tiles) {
  if (!kernels::cpu_has_vnni() || !kernels::cpu_has_bf16()) return;
  const auto device = kernels::make_cpu_device(2, kernels::CpuBackend::kAmx);
  for (const Mode& mode : {kInt8, kExact}) {
    Engine engine(kFamilies[0], *device, mode);
    const std::uint64_t before = kernels::emulated_tiles::products_done();
    alone(engine, random_tokens(20, 1), 20);
    BOOST_TEST(kernels::emulated_tiles::products_done() > before);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::model

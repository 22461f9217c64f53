// Holds every mode against FP32 on both real models: mean KL divergence and how often the most
// likely token is the same. The text (tests/model/data/quality) is not the one that packing is
// calibrated on. The figures of the whole text are in docs/performance.md.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/model/quality_meter.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::model {
namespace {

using kernels::KvType;

// Bounds with keys and values in BF16, and what int8 keys and values may add to the divergence.
struct Gate {
  Precision precision;
  double divergence_max;
  double same_top_min;
};

struct Bounds {
  std::vector<Gate> gates;
  double int8_extra_max;
};

void report(const std::string& of, const tests::Distance& d) {
  BOOST_TEST_MESSAGE(of << ": " << d.positions << " positions, KL " << d.divergence << ", same top "
                        << 100 * d.same_top << " %");
}

void report(const std::string& of, const tests::ModeDistance& found) {
  report(of, found.whole);
  for (const auto& [kind, distance] : found.kinds) report("  " + kind, distance);
}

void check_model(const std::string& model, const Bounds& bounds) {
  std::vector<tests::Mode> modes;
  for (const Gate& gate : bounds.gates) {
    modes.push_back({gate.precision, KvType::kBf16});
    modes.push_back({gate.precision, KvType::kInt8});
  }
  const std::vector<tests::ModeDistance> found = tests::measure_modes(model, modes);
  for (std::size_t i = 0; i < bounds.gates.size(); ++i) {
    const Gate& gate = bounds.gates[i];
    const tests::ModeDistance& bf16 = found[2 * i];
    const tests::ModeDistance& int8 = found[2 * i + 1];
    const std::string name = model + ", " + std::string(name_of(gate.precision));
    report(name, bf16);
    report(name + ", keys and values in int8", int8);
    BOOST_TEST(bf16.whole.divergence <= gate.divergence_max, name);
    BOOST_TEST(bf16.whole.same_top >= gate.same_top_min, name);
    const double extra = int8.whole.divergence - bf16.whole.divergence;
    BOOST_TEST(extra <= bounds.int8_extra_max, name << ": int8 keys and values add " << extra);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(int8_quality)

// For the default the bounds are the project's goals (0.0029 and 96.8 % on the whole text). The
// others are what was measured on the whole text (q4 0.0034, 96.0 %; exact 0.00022, 99.1 %; int8
// keys and values add 0.0002) and about half again, because a part of the text and other backends
// differ from it by a fifth.
BOOST_AUTO_TEST_CASE(smollm2_answers_nearly_as_in_fp32_in_every_mode) {
  check_model(tests::kSmolLm2,
              {.gates = {{Precision::kDefault, 0.0035, 0.96},
                         {Precision::kQ4, 0.0045, 0.95},
                         {Precision::kExact, 0.00033, 0.985}},
               .int8_extra_max = 0.0004});
}

// Measured on the whole text: default 0.0013, 97.9 % (the project's goals are 0.003 and 97 %); q4
// 0.0006, 98.5 %; exact 0.00009, 99.3 %; int8 keys and values add 0.0009 to 0.0010, nearly all of
// it by the keys of the first layer.
BOOST_AUTO_TEST_CASE(qwen_coder_answers_nearly_as_in_fp32_in_every_mode) {
  check_model(tests::kQwenCoder,
              {.gates = {{Precision::kDefault, 0.002, 0.97},
                         {Precision::kQ4, 0.001, 0.975},
                         {Precision::kExact, 0.0002, 0.985}},
               .int8_extra_max = 0.0015});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

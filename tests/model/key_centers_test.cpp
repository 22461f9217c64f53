#include "model/key_centers.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstddef>
#include <vector>

namespace troupe::model {
namespace {

// As rotary embedding turns its pairs: base^(-2i / dims).
std::vector<double> frequencies(double base, int dims) {
  std::vector<double> all;
  for (int i = 0; i < dims / 2; ++i) all.push_back(std::pow(base, -2.0 * i / dims));
  return all;
}

Turn summed(double frequency, std::int32_t count) {
  Turn sum = 0;
  for (std::int32_t position = 0; position < count; ++position)
    sum += std::polar(1.0, position * frequency);
  return sum / static_cast<double>(count);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(key_centers)

BOOST_AUTO_TEST_CASE(the_mean_turn_is_the_mean_of_all_turns) {
  for (const double base : {1e4, 1e6}) {
    for (const double frequency : frequencies(base, 64)) {
      for (const std::int32_t count : {1, 2, 7, 1024}) {
        // Sums of 1,024 turns err by some 1e-13.
        BOOST_TEST(std::abs(mean_turn(frequency, count) - summed(frequency, count)) < 1e-12);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_turn_stays) { BOOST_TEST(mean_turn(0.0, 1024) == Turn{1.0}); }

BOOST_AUTO_TEST_CASE(a_center_is_the_bias_turned_by_every_position_and_averaged) {
  const std::vector<float> bias = {3, -50, 0.5F, 200, -1, 80, 7, 20};
  const std::vector<double> turning = frequencies(1e4, 8);
  std::vector<Turn> turns;
  for (const double frequency : turning) turns.push_back(mean_turn(frequency, 1024));
  for (const bool interleaved : {false, true}) {
    std::vector<float> center(bias.size());
    find_key_center(bias, turns, interleaved, center);
    for (std::size_t i = 0; i < turning.size(); ++i) {
      const std::size_t a = interleaved ? 2 * i : i;
      const std::size_t b = interleaved ? 2 * i + 1 : i + 4;
      double x = 0;
      double y = 0;
      for (int position = 0; position < 1024; ++position) {
        const double cos = std::cos(position * turning[i]) / 1024;
        const double sin = std::sin(position * turning[i]) / 1024;
        x += static_cast<double>(bias[a]) * cos - static_cast<double>(bias[b]) * sin;
        y += static_cast<double>(bias[b]) * cos + static_cast<double>(bias[a]) * sin;
      }
      // Of values up to 200, rounded to FP32.
      BOOST_TEST(std::abs(x - static_cast<double>(center[a])) < 2e-5);
      BOOST_TEST(std::abs(y - static_cast<double>(center[b])) < 2e-5);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model

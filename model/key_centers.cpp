#include "model/key_centers.hpp"

#include <cmath>
#include <cstddef>

namespace troupe::model {

Turn mean_turn(double frequency, std::int32_t count) {
  const double half_step = std::sin(frequency / 2);
  if (half_step == 0) return 1;
  const auto positions = static_cast<double>(count);
  const double length = std::sin(positions * frequency / 2) / (positions * half_step);
  return length * std::polar(1.0, (positions - 1) * frequency / 2);
}

void find_key_center(std::span<const float> bias,
                     std::span<const Turn> turns,
                     bool interleaved,
                     std::span<float> center) {
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const std::size_t at = interleaved ? 2 * i : i;
    const std::size_t partner = interleaved ? at + 1 : i + turns.size();
    const Turn pair{static_cast<double>(bias[at]), static_cast<double>(bias[partner])};
    const Turn turned = pair * turns[i];
    center[at] = static_cast<float>(turned.real());
    center[partner] = static_cast<float>(turned.imag());
  }
}

}  // namespace troupe::model

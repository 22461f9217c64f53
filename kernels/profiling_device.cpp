#include "kernels/profiling_device.hpp"

#include <algorithm>
#include <utility>

namespace troupe::kernels {
namespace {

template <typename Layer, typename Visit>
void visit_weights(std::span<const Layer> layers, Visit&& visit) {
  for (const Layer& layer : layers) {
    for (const auto weights : kernels::cost_of(layer).weights) visit(weights);
  }
}

template <typename Op, typename Visit>
void visit_weights(const Op&, Visit&&) {}

}  // namespace

void ProfilingDevice::start() {
  profiles_.clear();
  weights_.clear();
  profiling_ = true;
}

std::vector<OpProfile> ProfilingDevice::stop() {
  profiling_ = false;
  std::ranges::sort(profiles_, std::ranges::greater{}, &OpProfile::seconds);
  return std::exchange(profiles_, {});
}

template <typename Op>
void ProfilingDevice::around(const Op& op) {
  if (!profiling_) return device().run(op);
  const auto start = std::chrono::steady_clock::now();
  device().run(op);
  device().synchronize();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  add(cost_of(op), time.count());
  visit_weights(op, [this](std::span<const std::byte> weights) {
    const auto is_same = [&](const auto& known) { return known.data() == weights.data(); };
    if (!weights.empty() && std::ranges::none_of(weights_, is_same)) weights_.push_back(weights);
  });
}

void ProfilingDevice::add(const OpCost& cost, double seconds) {
  const auto found = std::ranges::find_if(profiles_, [&](const OpProfile& profile) {
    return profile.cost.name == cost.name && profile.cost.k == cost.k && profile.cost.n == cost.n;
  });
  if (found == profiles_.end()) {
    profiles_.push_back({.cost = cost, .runs = 1, .seconds = seconds});
    return;
  }
  found->cost.memory_bytes += cost.memory_bytes;
  found->cost.cache_bytes += cost.cache_bytes;
  found->cost.operations += cost.operations;
  found->seconds += seconds;
  ++found->runs;
}

template class EachOpDevice<ProfilingDevice>;

}  // namespace troupe::kernels

// That in many drawn schedules every answer has the bits that it has alone.
#pragma once

#include "tests/actors/infer/schedules.hpp"

namespace troupe::tests {

struct Numerics {
  model::Precision precision;
  kernels::KvType kv;
};

// Each precision, and each type of cache beside one of them.
inline constexpr Numerics kAllNumerics[] = {
    {model::Precision::kDefault, kernels::KvType::kBf16},
    {model::Precision::kDefault, kernels::KvType::kInt8},
    {model::Precision::kExact, kernels::KvType::kBf16},
    {model::Precision::kQ4, kernels::KvType::kBf16},
    {model::Precision::kFp32, kernels::KvType::kF32},
};

std::vector<messages::WorkItem> draw_requests(std::size_t count, std::uint32_t vocabulary);

// Of engines that answer alike and differ in their threads.
void check_schedules(const std::vector<actors::infer::Engine*>& engines,
                     const Catalog& catalog,
                     std::uint32_t count);

// The same of a tiny model on one to four threads, whatever `options` says of them. The schedules
// are made of so many `requests`.
void check_tiny(TinyEngine::Options options, std::uint32_t count, std::size_t requests = 40);

}  // namespace troupe::tests

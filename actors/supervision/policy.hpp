// How a supervisor keeps its children.
#pragma once

#include <cstddef>
#include <cstdint>

#include "actors/supervision/child.hpp"

namespace troupe::actors::supervision {

enum class Strategy : std::uint8_t { kOneForOne, kOneForAll, kRestForOne, kSimpleOneForOne };
enum class AutoShutdown : std::uint8_t { kNever, kAnySignificant, kAllSignificant };

enum class StartOrder : std::uint8_t {
  kTogether,  // each is started after the one before it; they become ready side by side
  kInOrder,  // each is started when the one before it is ready; a first start that fails undoes all
};

struct SupervisorPolicy {
  Strategy strategy = Strategy::kOneForOne;
  StartOrder start_order = StartOrder::kTogether;
  AutoShutdown auto_shutdown = AutoShutdown::kNever;
  std::uint32_t intensity = 10;  // failures in `period` that are still borne
  Milliseconds period{60'000};
  Milliseconds backoff_first = config::kBackoffFirst;  // zero: no back-off
  Milliseconds backoff_max = config::kBackoffMax;
  Milliseconds healthy_after{60'000};  // ready for this long, a child starts at backoff_first again
  bool restarts_while_stopping = false;  // children whose turn has not come are still restarted
  std::size_t children_max = 4096;       // a bound on memory: each costs under a kilobyte
};

}  // namespace troupe::actors::supervision

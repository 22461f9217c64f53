// What dispatch has counted since its start: every accepted request is finished for one reason,
// queued, or running.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "messages/failure.hpp"
#include "messages/token_frame.hpp"

namespace troupe::actors::dispatch {

// Label values of troupe_requests_finished_total{reason}, and indices of Totals::finished.
enum Ending : std::size_t { kStop, kLength, kCancelled, kDeadline, kError, kQuarantined, kEndings };

inline constexpr std::array<const char*, kEndings> kEndingNames{
    "stop", "length", "cancelled", "deadline", "error", "quarantined"};

constexpr Ending ending_of(messages::FailureCode code) {
  switch (code) {
    case messages::FailureCode::kCancelled:
      return kCancelled;
    case messages::FailureCode::kDeadline:
      return kDeadline;
    case messages::FailureCode::kQuarantined:
      return kQuarantined;
    default:
      return kError;
  }
}

constexpr Ending ending_of(messages::FinishReason reason) {
  switch (reason) {
    case messages::FinishReason::kStop:
      return kStop;
    case messages::FinishReason::kLength:
      return kLength;
    case messages::FinishReason::kCancelled:
      return kCancelled;
    default:
      return kError;
  }
}

struct Totals {
  std::uint64_t accepted = 0;
  std::array<std::uint64_t, kEndings> finished{};  // by reason
  std::uint64_t refused = 0;
  std::uint64_t stale = 0;             // tokens of attempts or incarnations that are over
  std::uint64_t conflicting = 0;       // tokens that differ from the journal's: a fault of ours
  std::uint64_t resumed = 0;           // requests that were taken from a worker to go on elsewhere
  std::uint64_t generated_tokens = 0;  // journalled

  std::uint64_t finished_sum() const {
    return std::accumulate(finished.begin(), finished.end(), std::uint64_t{0});
  }
};

// The ledger at one moment.
struct Snapshot {
  Totals totals;
  std::uint64_t queued = 0;
  std::uint64_t running = 0;

  // Always 0: a request that was lost, or ended twice, shows here.
  std::int64_t conservation_error() const {
    return static_cast<std::int64_t>(totals.accepted) -
           static_cast<std::int64_t>(totals.finished_sum() + queued + running);
  }
};

}  // namespace troupe::actors::dispatch

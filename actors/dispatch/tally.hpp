// Accepted and ended requests as /metrics counts them, over all incarnations of the stage.
#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "actors/dispatch/totals.hpp"
#include "actors/observe/metrics.hpp"

namespace troupe::actors::dispatch {

class Tally {
 public:
  // `metrics`: nullptr, and only the totals are kept.
  explicit Tally(std::shared_ptr<observe::Metrics> metrics) : metrics_(std::move(metrics)) {}

  void accept() {
    ++accepted_;
    if (metrics_) metrics_->request_accepted();
  }

  void finish(Ending ending) {
    ++finished_[ending];
    if (metrics_) metrics_->request_finished(kEndingNames[ending]);
  }

  // After an incarnation that did not come to its end: what the ledger's file has `open` is open,
  // and all else has ended, of which some may not have been counted: as `uncounted`, first to last.
  void settle(std::size_t open, std::vector<Ending> uncounted) {
    while (accepted_ < finished_sum() + open) accept();
    for (const Ending ending : uncounted) {
      if (accepted_ > finished_sum() + open) finish(ending);
    }
    while (accepted_ > finished_sum() + open) finish(kError);
  }

  void write_to(Totals& totals) const {
    totals.accepted = accepted_;
    totals.finished = finished_;
  }

 private:
  std::uint64_t finished_sum() const {
    return std::accumulate(finished_.begin(), finished_.end(), std::uint64_t{0});
  }

  std::shared_ptr<observe::Metrics> metrics_;
  std::uint64_t accepted_ = 0;
  decltype(Totals::finished) finished_{};
};

}  // namespace troupe::actors::dispatch

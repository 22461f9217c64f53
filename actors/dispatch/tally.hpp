// Accepted and ended requests as /metrics counts them, over all incarnations of the stage.
#pragma once

#include <cstdint>
#include <memory>
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
    ++counted_.accepted;
    if (metrics_) metrics_->request_accepted();
  }

  void finish(Ending ending) {
    ++counted_.finished[ending];
    if (metrics_) metrics_->request_finished(kEndingNames[ending]);
  }

  // After an incarnation that did not come to its end: what the ledger's file has `open` is open,
  // and all else has ended, of which some may not have been counted: as `uncounted`, first to last.
  void settle(std::size_t open, std::vector<Ending> uncounted) {
    const auto known = [&] { return counted_.finished_sum() + open; };
    while (counted_.accepted < known()) accept();
    for (const Ending ending : uncounted) {
      if (counted_.accepted > known()) finish(ending);
    }
    while (counted_.accepted > known()) finish(kError);
  }

  void write_to(Totals& totals) const {
    totals.accepted = counted_.accepted;
    totals.finished = counted_.finished;
  }

 private:
  std::shared_ptr<observe::Metrics> metrics_;
  Totals counted_;  // of these, accepted and finished
};

}  // namespace troupe::actors::dispatch

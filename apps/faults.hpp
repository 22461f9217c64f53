// The faults that [faults] of a test's configuration switches on in a worker.
#pragma once

#include <cstdint>
#include <set>

#include "config/node_config.hpp"
#include "messages/batch.hpp"

namespace troupe::apps {

class WorkerFaults {
 public:
  explicit WorkerFaults(const config::FaultConfig& config) : config_(config) {}

  // Dies here when the configuration says so.
  void at_start() const;
  void in_step(const messages::Batch& batch);

 private:
  config::FaultConfig config_;
  std::set<std::uint64_t> poisoned_;  // requests that hold the poison token
};

}  // namespace troupe::apps

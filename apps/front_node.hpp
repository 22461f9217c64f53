// The stages of a front and the links between them.
#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/link/link_faults.hpp"
#include "actors/observe/metrics.hpp"
#include "actors/observe/request_log.hpp"
#include "apps/loaded_model.hpp"
#include "apps/stage_tree.hpp"
#include "config/node_config.hpp"
#include "messages/control.hpp"
#include "messages/step_record.hpp"

namespace troupe::apps {

struct FrontNodeOptions {
  std::uint64_t generation = 0;  // of this incarnation: the epoch of its work
  int ledger_fd = -1;            // root's memory file; -1: nothing outlives this front
  std::function<void(const messages::FrontStatus&)> report;   // every beat, for root
  std::function<void(const messages::StageEvent&)> on_stage;  // for root; may be empty
  // For root, when it has taken over from a front before, and at each worker's death. May be empty.
  std::function<void(const messages::WorksMoved&)> on_moved;
  std::function<void(const actors::observe::AccessRecord&)> on_access;
  std::function<void(const actors::observe::ErrorRecord&)> on_error;
  // With each beat of a worker that computed something, on the dispatch stage's thread.
  std::function<void(const std::string& worker, const std::vector<messages::StepRecord>&)> on_steps;
  std::shared_ptr<actors::link::LinkFaults> link_faults;  // of a test, or none
};

// Spawns the port and the four stages. Lives until destroyed, which ends them.
class FrontNode {
 public:
  // Throws config::UserError when an endpoint cannot be listened on.
  FrontNode(caf::actor_system& system,
            const config::NodeConfig& config,
            const LoadedModel& model,
            FrontNodeOptions options);
  FrontNode(const FrontNode&) = delete;
  FrontNode& operator=(const FrontNode&) = delete;

  const std::string& http() const { return http_; }  // HOST:PORT that was bound

  void sibling_down(const messages::SiblingDown& down) const;

  // Refuses new calls and calls back, on another thread, when none is open any more.
  void drain(std::function<void()> on_drained) const;

 private:
  caf::actor_system& system_;
  caf::actor gateway_;
  caf::actor dispatch_;
  std::shared_ptr<actors::observe::Metrics> metrics_;
  StageTree tree_;
  std::string http_;
};

}  // namespace troupe::apps

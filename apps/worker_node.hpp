// The stages of a worker and the links between them.
#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/infer/engine.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/supervision/beat_page.hpp"
#include "apps/loaded_model.hpp"
#include "apps/stage_tree.hpp"
#include "config/node_config.hpp"

namespace troupe::apps {

struct WorkerNodeOptions {
  std::string name;                 // worker-0
  std::uint64_t generation = 0;     // of this incarnation; higher than every earlier one's
  std::function<void()> on_joined;  // a front has welcomed the worker
  std::function<void(const std::string&)> on_refused;    // it never will, and why
  std::shared_ptr<actors::supervision::BeatPage> beats;  // that the node's root looks at, or none
  std::function<void(const messages::StageEvent&)> on_stage;  // for root; may be empty
  // Around each forward pass, on infer's thread.
  std::function<void(const messages::Batch&)> before_step;
  std::function<void()> after_step;
  std::function<void()> at_beat;  // on the batch stage's thread, at each of its beats; or empty
  std::shared_ptr<actors::link::LinkFaults> link_faults;  // of a test, or none
};

// Spawns port, batch and infer. Lives until destroyed, which ends the stages.
class WorkerNode {
 public:
  WorkerNode(caf::actor_system& system,
             const config::NodeConfig& config,
             const LoadedModel& model,
             std::shared_ptr<actors::infer::Engine> engine,
             std::int32_t kv_blocks,
             WorkerNodeOptions options);
  WorkerNode(const WorkerNode&) = delete;
  WorkerNode& operator=(const WorkerNode&) = delete;

 private:
  StageTree tree_;
};

}  // namespace troupe::apps

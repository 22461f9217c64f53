// The stages of one process in their supervision tree.
#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/supervision/stage_cell_actor.hpp"
#include "actors/supervision/stage_supervisor_actor.hpp"
#include "apps/stage_faults.hpp"
#include "config/node_config.hpp"
#include "messages/control.hpp"

namespace troupe::apps {

struct StageTreeOptions {
  std::string process;  // front, worker-0
  std::uint64_t generation = 0;
  actors::supervision::SupervisorPolicy policy = actors::supervision::kStagePolicy;
  // Told of each event, on the supervisor's thread. May be empty.
  std::function<void(const messages::StageEvent&, const actors::supervision::RestartRecord&)> tell;
};

// Stages that cannot be kept alive end the process with kExitStageDied: root restarts it.
class StageTree {
 public:
  StageTree(caf::actor_system& system, const config::NodeConfig& config, StageTreeOptions options);
  // Ends all stages, last added first. Those whose tree never started, too.
  ~StageTree();
  StageTree(const StageTree&) = delete;
  StageTree& operator=(const StageTree&) = delete;

  // A stage that is restarted. It keeps its messages until start().
  caf::actor add(actors::supervision::StageSpec spec, bool detached = false);
  // For the handlers of the stage of that name: where a test may have them throw.
  actors::supervision::StagePlaces places(const std::string& stage);
  // An actor that is only watched: its death ends the process.
  void watch(std::string name, const caf::actor& actor);

  // Once, when all are there.
  void start();

  const std::shared_ptr<actors::supervision::StageTable>& table() const { return table_; }

 private:
  std::shared_ptr<StageFaults> faults_of(const std::string& stage);

  caf::actor_system& system_;
  const config::NodeConfig& config_;
  StageTreeOptions options_;
  std::shared_ptr<actors::supervision::StageTable> table_;
  std::vector<actors::supervision::SupervisedStage> stages_;    // in order of their start
  std::map<std::string, std::shared_ptr<StageFaults>> faults_;  // by stage
  caf::actor supervisor_;
};

}  // namespace troupe::apps

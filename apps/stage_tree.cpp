#include "apps/stage_tree.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "apps/role.hpp"

namespace troupe::apps {

namespace supervision = actors::supervision;

StageTree::StageTree(caf::actor_system& system,
                     const config::NodeConfig& config,
                     StageTreeOptions options)
    : system_(system),
      config_(config),
      options_(std::move(options)),
      table_(std::make_shared<supervision::StageTable>()) {}

StageTree::~StageTree() {
  const auto end = [](const caf::actor& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  };
  if (supervisor_) end(supervisor_);
  for (auto stage = stages_.rbegin(); stage != stages_.rend(); ++stage) end(stage->actor);
}

caf::actor StageTree::add(supervision::StageSpec spec, bool detached) {
  const std::string name = spec.name;
  if (const auto faults = faults_of(name)) {
    spec.before = [faults](const caf::type_erased_tuple& message, bool again) {
      faults->before(message, again);
    };
  }
  const caf::actor stage = detached
                               ? supervision::spawn_detached_stage(system_, std::move(spec), table_)
                               : supervision::spawn_stage(system_, std::move(spec), table_);
  stages_.push_back({.name = name, .actor = stage});
  return stage;
}

supervision::StagePlaces StageTree::places(const std::string& stage) {
  const auto faults = faults_of(stage);
  if (!faults) return {};
  return {[faults](std::string_view place) { faults->at(place); }};
}

// One for each stage: what is thrown within a handler depends on the message in hand.
std::shared_ptr<StageFaults> StageTree::faults_of(const std::string& stage) {
  const auto [known, added] = faults_.try_emplace(stage);
  if (added) known->second = stage_faults(system_, config_.faults, config_.node.state, stage);
  return known->second;
}

void StageTree::watch(std::string name, const caf::actor& actor) {
  table_->add(name, actor.id());
  stages_.push_back({.name = std::move(name), .actor = actor, .cell = false});
}

void StageTree::start() {
  const auto on_event = [tell = options_.tell](const supervision::RestartRecord& record,
                                               const std::string& line) {
    if (tell) tell({.child = record.report.child, .line = line}, record);
  };
  const auto escalate = [process = options_.process](const std::string& why) {
    std::fprintf(stderr, "troupe: %s of %s\n", why.c_str(), process.c_str());
    std::_Exit(kExitStageDied);
  };
  supervisor_ = supervision::spawn_stage_supervisor(system_,
                                                    {.name = options_.process,
                                                     .node = config_.node.state.string(),
                                                     .policy = options_.policy,
                                                     .generation_base = options_.generation,
                                                     .table = table_,
                                                     .on_event = on_event,
                                                     .escalate = escalate},
                                                    stages_);
  // A supervisor that is gone would leave stages suspended for ever.
  end_process_with(supervisor_, "the supervisor of " + options_.process);
}

}  // namespace troupe::apps

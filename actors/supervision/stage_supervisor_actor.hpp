// The supervisor core's adapter for actors: keeps the stages of one process alive.
#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/supervision/restart_log.hpp"
#include "actors/supervision/stage_table.hpp"
#include "actors/supervision/supervisor.hpp"

namespace troupe::actors::supervision {

// A restart costs a millisecond or so (bench/stage_restarts.py) and nobody's answer, so many are
// borne; a stage that does nothing else has to end.
inline constexpr SupervisorPolicy kStagePolicy{
    .intensity = 100, .period = Milliseconds(10'000), .backoff_first = Milliseconds(0)};
// For stages whose state nothing outside them has: the first exception ends the process.
inline constexpr SupervisorPolicy kNoRestarts{.intensity = 0, .backoff_first = Milliseconds(0)};

struct SupervisedStage {
  std::string name;
  caf::actor actor;
  bool cell = true;  // from spawn_stage; else it is only watched: it cannot be restarted
};

struct StageSupervisorOptions {
  std::string name;  // of the process
  std::string node;  // its state folder, for restart.log
  SupervisorPolicy policy;
  std::uint64_t generation_base = 0;
  std::shared_ptr<StageTable> table;
  // Told of all that restart.log tells, on the supervisor's thread.
  std::function<void(const RestartRecord& record, const std::string& line)> on_event;
  // The stages cannot be kept alive: the process should end now, with their messages in it.
  std::function<void(const std::string& why)> escalate;
};

// Starts the stages in their order. A stage that is dead as an actor has lost its mailbox: that
// escalates at once, as does a stage that fails more often than the policy bears. Ends on an exit
// message; the stages are ended by who spawned them.
caf::actor spawn_stage_supervisor(caf::actor_system& system,
                                  StageSupervisorOptions options,
                                  std::vector<SupervisedStage> stages);

}  // namespace troupe::actors::supervision

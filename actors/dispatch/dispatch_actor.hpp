// The dispatch stage: the shell around the dispatcher and its ledger.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <memory>
#include <string>

#include "actors/dispatch/dispatcher.hpp"
#include "actors/dispatch/ledger_keeper.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/observe/metrics.hpp"
#include "actors/supervision/stage_cell_actor.hpp"

namespace troupe::actors::dispatch {

struct DispatchLinks {
  link::Sender to_workers;  // ROUTER
  link::Sender to_aggregate;
  caf::actor gateway;                                        // told of readiness
  std::function<void(const messages::FrontStatus&)> report;  // called every beat, for root
  // Told what became of a dead worker's requests, for root. May be empty.
  std::function<void(const messages::WorksMoved&)> on_moved;
  // Called with each worker's beat that brings steps, for performance.log.
  std::function<void(const std::string& worker, const std::vector<messages::StepRecord>&)> on_steps;
  supervision::StagePlaces places;
};

// What the front before this one had promised, and where this one writes its promises down.
struct DispatchMemory {
  std::shared_ptr<LedgerFile> file;        // nullptr: nothing outlives this front
  std::vector<RestoredEntry> restored;     // in the order of acceptance
  std::vector<KeptEnd> ended;              // of those, that stay in the file for a while
  std::chrono::milliseconds ended_kept{};  // an ended request stays in the file for so long
};

// The first incarnation goes on with `memory`; later ones fold its file, with what their forerunner
// knew besides (handover.hpp): without a file the stage is not to be restarted.
supervision::StageSpec dispatch_stage(DispatcherOptions options,
                                      DispatchLinks links,
                                      DispatchMemory memory,
                                      std::shared_ptr<observe::Metrics> metrics);

// Tells it of a message that was lost on the link to this worker. Thread-safe.
void worker_unreachable(const caf::actor& dispatch, std::string peer);

}  // namespace troupe::actors::dispatch

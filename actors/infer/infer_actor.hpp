// The infer stage: owns the engine and its device. Detached, because a step blocks for
// milliseconds.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <memory>

#include "actors/infer/engine.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/supervision/stage_cell_actor.hpp"

namespace troupe::actors::infer {

struct InferLinks {
  link::Sender to_batch;
  link::Sender to_ledger;  // the worker's DEALER
  std::uint64_t worker_generation = 0;
  std::function<void(const messages::Batch&)> before_step;
  std::function<void()> after_step;
};

// It owns the device, whose state nothing outside the process has: it is not to be restarted, its
// process is.
supervision::StageSpec infer_stage(std::shared_ptr<Engine> engine, InferLinks links);

}  // namespace troupe::actors::infer

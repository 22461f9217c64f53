// The batch stage: the shell around the batcher, and the worker's voice towards dispatch (hello,
// beat, released).
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <string>

#include "actors/batch/batcher.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/supervision/stage_cell_actor.hpp"
#include "messages/worker_link.hpp"

namespace troupe::actors::batch {

struct BatchLinks {
  link::Sender to_infer;
  link::Sender to_dispatch;  // the worker's DEALER
  std::function<void(std::size_t running, std::size_t waiting)> on_beat;
  std::function<void()> on_joined;                     // the front has welcomed this worker
  std::function<void(const std::string&)> on_refused;  // it will not, and why
};

// It shares the device's state with infer, which nothing outside the process has: it is not to be
// restarted, its process is.
supervision::StageSpec batch_stage(BatcherOptions options,
                                   messages::WorkerHello hello,
                                   BatchLinks links);

// Tells it that the link to dispatch has lost a message: it starts over. Thread-safe.
void dispatch_unreachable(const caf::actor& batch);

// Tells it that a message of dispatch can be read by nobody, nor whose it is: it starts over, and
// says so, so that dispatch finds out what it was. Thread-safe.
void dispatch_unreadable(const caf::actor& batch, std::string why);

// A handler of work items. One that cannot be read ends as the error of its request, or nobody
// would answer it before its deadline.
link::FrameHandler deliver_work_to(caf::actor batch);

}  // namespace troupe::actors::batch

#include "actors/infer/infer_actor.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "actors/infer/scheduling.hpp"

namespace troupe::actors::infer {

namespace {

// Positions of a step follow from the step before it, so one behind a lost one cannot be computed.
void check_order(std::uint64_t last_step, std::uint64_t step) {
  if (step == last_step + 1) return;
  throw std::runtime_error("step " + std::to_string(step) + " came behind step " +
                           std::to_string(last_step) + ": what was between them was lost");
}

}  // namespace

supervision::StageSpec infer_stage(std::shared_ptr<Engine> engine, InferLinks links) {
  const auto last_step = std::make_shared<std::uint64_t>(0);
  const caf::behavior handlers{[=, links = std::move(links)](messages::Batch& batch) {
    check_order(std::exchange(*last_step, batch.step), batch.step);
    engine->pass_over_ended(batch);
    links.before_step(batch);
    StepOutput& output = engine->run(batch);
    links.after_step();
    output.frame.front_epoch = batch.front_epoch;
    output.frame.worker_generation = links.worker_generation;
    if (!output.frame.events.empty()) links.to_ledger.send(output.frame);
    links.to_batch.send(output.result);
  }};
  const auto make = [handlers](caf::event_based_actor*, std::uint32_t) {
    compute_at_once();  // the thread is this stage's own
    return supervision::Incarnation{handlers, {}};
  };
  return {.name = "infer", .make = make, .tick = {}, .at_exit = {}, .before = {}};
}

}  // namespace troupe::actors::infer

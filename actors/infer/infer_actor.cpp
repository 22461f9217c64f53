#include "actors/infer/infer_actor.hpp"

#include <utility>

namespace troupe::actors::infer {

supervision::StageSpec infer_stage(std::shared_ptr<Engine> engine, InferLinks links) {
  const caf::behavior handlers{[engine, links = std::move(links)](const messages::Batch& batch) {
    links.before_step(batch);
    StepOutput& output = engine->run(batch);
    links.after_step();
    output.frame.front_epoch = batch.front_epoch;
    output.frame.worker_generation = links.worker_generation;
    if (!output.frame.events.empty()) links.to_ledger.send(output.frame);
    links.to_batch.send(output.result);
  }};
  const auto make = [handlers](caf::event_based_actor*, std::uint32_t) {
    return supervision::Incarnation{handlers, {}};
  };
  return {.name = "infer", .make = make, .tick = {}, .at_exit = {}, .before = {}};
}

}  // namespace troupe::actors::infer

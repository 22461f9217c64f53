#include "actors/infer/infer_actor.hpp"

#include <utility>

#include "actors/link/stage_actor.hpp"

namespace troupe::actors::infer {

caf::behavior infer_actor(caf::event_based_actor* self,
                          std::shared_ptr<Engine> engine,
                          InferLinks links) {
  link::name_exceptions(self);
  return {
      [engine, links = std::move(links)](const messages::Batch& batch) {
        links.before_step(batch);
        StepOutput& output = engine->run(batch);
        links.after_step();
        output.frame.front_epoch = batch.front_epoch;
        output.frame.worker_generation = links.worker_generation;
        if (!output.frame.events.empty()) links.to_ledger.send(output.frame);
        links.to_batch.send(output.result);
      },
  };
}

}  // namespace troupe::actors::infer

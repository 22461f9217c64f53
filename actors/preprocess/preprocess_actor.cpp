#include "actors/preprocess/preprocess_actor.hpp"

#include "actors/link/stage_actor.hpp"

namespace troupe::actors::preprocess {

caf::behavior preprocess_actor(caf::event_based_actor* self,
                               std::shared_ptr<const Preprocessor> core,
                               link::Sender to_dispatch) {
  link::name_exceptions(self);
  return {
      [core, to_dispatch](const messages::GenerateRequest& request) {
        std::visit([&](const auto& outcome) { to_dispatch.send(outcome); }, core->run(request));
      },
  };
}

}  // namespace troupe::actors::preprocess

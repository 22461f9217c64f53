#include "actors/preprocess/preprocess_actor.hpp"

#include <utility>

namespace troupe::actors::preprocess {

supervision::StageSpec preprocess_stage(std::string name,
                                        std::shared_ptr<const Preprocessor> core,
                                        link::Sender to_dispatch,
                                        supervision::StagePlaces places) {
  const caf::behavior handlers{[=](const messages::GenerateRequest& request) {
    const auto outcome = core->run(request);
    places.at("send");
    std::visit([&](const auto& one) { to_dispatch.send(one); }, outcome);
  }};
  const caf::behavior give_up{[to_dispatch](const messages::GenerateRequest& request) {
    to_dispatch.send(messages::Failure{.request_id = request.request_id,
                                       .code = messages::FailureCode::kInternal,
                                       .message = "this request failed twice in preprocess"});
  }};
  const auto make = [=](caf::event_based_actor*, std::uint32_t) {
    return supervision::Incarnation{handlers, give_up};
  };
  return {.name = std::move(name), .make = make, .tick = {}, .at_exit = {}, .before = {}};
}

}  // namespace troupe::actors::preprocess

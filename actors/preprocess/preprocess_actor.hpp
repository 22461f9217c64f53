// The preprocess stage: a member of the pool that turns GenerateRequest into TokenizedRequest.
#pragma once

#include <caf/all.hpp>
#include <memory>

#include "actors/link/port_actor.hpp"
#include "actors/preprocess/preprocessor.hpp"

namespace troupe::actors::preprocess {

caf::behavior preprocess_actor(caf::event_based_actor* self,
                               std::shared_ptr<const Preprocessor> core,
                               link::Sender to_dispatch);

}  // namespace troupe::actors::preprocess

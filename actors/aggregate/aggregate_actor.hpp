// The aggregate stage: the shell around the aggregator.
#pragma once

#include <caf/all.hpp>
#include <memory>

#include "actors/link/port_actor.hpp"
#include "model/tokenizer.hpp"

namespace troupe::actors::aggregate {

caf::behavior aggregate_actor(caf::event_based_actor* self,
                              std::shared_ptr<const model::Tokenizer> tokenizer,
                              link::Sender to_gateway,
                              link::Sender to_dispatch);

}  // namespace troupe::actors::aggregate

// The aggregate stage: the shell around the aggregator.
#pragma once

#include <caf/all.hpp>
#include <memory>

#include "actors/aggregate/aggregator.hpp"
#include "actors/link/port_actor.hpp"

namespace troupe::actors::aggregate {

caf::behavior aggregate_actor(caf::event_based_actor* self,
                              std::shared_ptr<Aggregator> core,
                              link::Sender to_gateway,
                              link::Sender to_dispatch);

}  // namespace troupe::actors::aggregate

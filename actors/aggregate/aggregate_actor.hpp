// The aggregate stage: the shell around the aggregator.
#pragma once

#include <caf/all.hpp>
#include <memory>

#include "actors/aggregate/aggregator.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/supervision/stage_cell_actor.hpp"

namespace troupe::actors::aggregate {

struct AggregateLinks {
  link::Sender to_gateway;
  link::Sender to_dispatch;
  Aggregator::Probe probe;  // as `first` has it; may be empty
};

// The first incarnation is around `first`, which may know answers already. Later ones begin with
// nothing and ask dispatch to send all that is open again; the gateway drops what it has.
supervision::StageSpec aggregate_stage(std::shared_ptr<Aggregator> first,
                                       std::shared_ptr<const model::Tokenizer> tokenizer,
                                       AggregateLinks links);

}  // namespace troupe::actors::aggregate

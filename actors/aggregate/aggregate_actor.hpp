// The aggregate stage: the shell around the aggregator.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <memory>

#include "actors/aggregate/aggregator.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/supervision/stage_cell_actor.hpp"

namespace troupe::actors::aggregate {

struct AggregateLinks {
  link::Sender to_gateway;
  link::Sender to_dispatch;
  Aggregator::Probe probe;  // as `first` has it; may be empty
  // Called before each chunk is sent, for faults on purpose: it may throw. May be empty.
  std::function<void(const messages::ReplyChunk&)> chunk_probe;
  supervision::StagePlaces places;
};

// The first incarnation is around `first`, which may know answers already. Later ones begin with
// nothing and ask dispatch to send all that is open again; the gateway drops what it has. An
// exception over one answer, while it is folded or sent, ends that answer alone.
supervision::StageSpec aggregate_stage(std::shared_ptr<Aggregator> first,
                                       std::shared_ptr<const model::Tokenizer> tokenizer,
                                       AggregateLinks links);

}  // namespace troupe::actors::aggregate

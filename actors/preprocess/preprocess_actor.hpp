// The preprocess stage: a member of the pool that turns GenerateRequest into TokenizedRequest.
#pragma once

#include <memory>
#include <string>

#include "actors/link/port_actor.hpp"
#include "actors/preprocess/preprocessor.hpp"
#include "actors/supervision/stage_cell_actor.hpp"

namespace troupe::actors::preprocess {

// It has no state: every incarnation is like the first. A request that throws twice is refused.
supervision::StageSpec preprocess_stage(std::string name,
                                        std::shared_ptr<const Preprocessor> core,
                                        link::Sender to_dispatch,
                                        supervision::StagePlaces places = {});

}  // namespace troupe::actors::preprocess

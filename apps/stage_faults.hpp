// The exceptions that [faults] of a test's configuration has stages throw.
#pragma once

#include <caf/all.hpp>
#include <filesystem>
#include <functional>
#include <string>

#include "actors/aggregate/aggregator.hpp"
#include "config/node_config.hpp"

namespace troupe::apps {

// What is called before `stage` handles a message, and throws when [faults] says so; empty when it
// never does. A member of a pool (preprocess-0) is its stage. `state`: a folder of the node's,
// where it is written down what has been thrown once.
std::function<void(const caf::type_erased_tuple& message, bool again)> stage_faults(
    caf::actor_system& system,
    const config::FaultConfig& config,
    const std::filesystem::path& state,
    const std::string& stage);

// Throws over the token that [faults] names; empty when it names none.
actors::aggregate::Aggregator::Probe token_fault(const config::FaultConfig& config);

}  // namespace troupe::apps

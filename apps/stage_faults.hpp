// The exceptions that [faults] of a test's configuration has stages throw.
#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "actors/aggregate/aggregator.hpp"
#include "actors/supervision/stage_cell_actor.hpp"
#include "config/node_config.hpp"

namespace troupe::apps {

// Those of one stage, on its thread.
class StageFaults {
 public:
  // `mark`: the beginning of the paths of files where it is written down what has been thrown once.
  StageFaults(caf::actor_system& system, const config::FaultConfig& config, std::string mark);

  // Before the stage handles a message. `again`: it threw before.
  void before(const caf::type_erased_tuple& message, bool again);

  // At a place in the handler of that message (supervision::StagePlaces).
  void at(std::string_view place);

 private:
  void throw_if_due(const std::string& what);
  bool is_due(const std::string& what);

  caf::actor_system& system_;
  config::FaultConfig config_;
  std::string mark_;
  std::string kind_;                           // of the message in hand
  bool again_ = false;                         // it threw before
  std::map<std::string, std::uint32_t> seen_;  // by kind and place
};

// nullptr when `stage` never throws. A member of a pool (preprocess-0) is its stage. `state`: a
// folder of the node's.
std::shared_ptr<StageFaults> stage_faults(caf::actor_system& system,
                                          const config::FaultConfig& config,
                                          const std::filesystem::path& state,
                                          const std::string& stage);

// Throws over the token that [faults] names, in dispatch or in aggregate; empty when it names none
// or not this stage.
actors::aggregate::Aggregator::Probe token_fault(const config::FaultConfig& config,
                                                 const std::string& stage);

// As token_fault, when aggregate sends it on: throw_in names "aggregate.send".
std::function<void(const messages::ReplyChunk&)> chunk_fault(const config::FaultConfig& config);

}  // namespace troupe::apps

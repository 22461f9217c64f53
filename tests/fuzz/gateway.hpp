// A gateway core with a ready node behind it, for inputs of any bytes.
#pragma once

#include <cstdint>
#include <variant>

#include "actors/gateway/gateway_core.hpp"
#include "config/check.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::fuzz {

inline actors::gateway::GatewayCore ready_gateway() {
  actors::gateway::GatewayCore core(
      {.front_epoch = 3, .model = "tiny", .context_max = 2048, .version = "0", .draw_seed = [] {
         return std::uint64_t{77};
       }});
  core.on_readiness({.ready = true});
  return core;
}

// What goes on into the pipeline can be read by the next stage, field by field.
inline void check_requests(const actors::gateway::Effects& effects) {
  for (const actors::gateway::Effect& effect : effects) {
    const auto* request = std::get_if<messages::GenerateRequest>(&effect);
    if (request == nullptr) continue;
    messages::GenerateRequest arrived;
    CHECK(messages::decode(messages::encode(*request, 3), arrived).empty(),
          "preprocess can read what the gateway sends");
    CHECK(arrived == *request, "it arrives as it was sent");
  }
}

}  // namespace troupe::fuzz

// The gateway stage: the shell that joins its core, the HTTP server and the links.
#pragma once

#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/gateway/effects.hpp"
#include "actors/gateway/restored_answer.hpp"
#include "actors/link/port_actor.hpp"
#include "actors/observe/metrics.hpp"
#include "actors/observe/request_log.hpp"
#include "actors/supervision/stage_cell_actor.hpp"
#include "config/node_config.hpp"

namespace troupe::actors::gateway {

struct GatewayOptions {
  config::GatewayConfig config;
  std::uint32_t queued_max = config::kQueuedMaxDefault;  // dispatch's bound
  std::uint64_t front_epoch = 0;                         // below 2^24
  std::string model;                                     // alias
  std::uint32_t context_max = 0;                         // tokens of prompt + answer
  std::int64_t started_unix = 0;                         // seconds
  std::shared_ptr<observe::Metrics> metrics;
  link::Sender to_preprocess;
  link::Sender to_dispatch;
  link::Sender clients;                  // ROUTER; a peer is a routing id
  std::vector<RestoredAnswer> restored;  // of the front before this one
  // Called once for each HTTP request and ZeroMQ request, on one of two threads. May be empty.
  std::function<void(const observe::AccessRecord&)> on_access;
  // For tests. May be empty.
  supervision::StagePlaces places;
};

struct GatewayStage {
  supervision::StageSpec spec;
  // To be called once with the stage's actor: HTTP requests go there from then on.
  std::function<void(const caf::actor&)> open;
  std::uint16_t http_port = 0;  // what was bound, also when the configuration said 0
};

// Throws config::UserError when HTTP cannot listen. Its calls hold connections, so every
// incarnation goes on with the same core; an exception over one call ends that call. Takes:
//   ReplyChunks                 from aggregate;
//   (string peer, string frame) raw frames of ZeroMQ clients;
//   NodeReadiness               from dispatch: before the first, the node is not ready;
//   Drain                       new calls are refused; answers `true` when no call is open;
//   get_atom                    answers uint64: how many calls are open.
// On an exit message every open call ends with an error.
GatewayStage gateway_stage(GatewayOptions options);

// A frame for this ZeroMQ client was refused by its link: it may be gone. For the port's
// RefusalHandler.
void client_unreachable(const caf::actor& gateway, std::string peer);

}  // namespace troupe::actors::gateway

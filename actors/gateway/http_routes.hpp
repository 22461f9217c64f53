// Which request means what, and the pages that need nothing but the node's state. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/gateway/failure_reply.hpp"

namespace troupe::actors::gateway {

enum class Route : std::uint8_t {
  kChat,
  kCompletions,
  kModels,
  kModel,
  kLive,
  kReady,
  kMetrics,
  kVersion,
};

struct RouteMatch {
  Route route{};
  std::string model;  // kModel: the name asked for, percent-decoded
};

// nullopt: no such path. The query is ignored.
std::optional<RouteMatch> match_route(std::string_view target);

// Why `method` on `target` gets no answer (404 or 405), or nullopt. Known before a body is read.
std::optional<HttpResponse> refuse_route(std::string_view method, std::string_view target);

// What the pages say of the node.
struct NodeFacts {
  std::string model;  // alias
  std::uint32_t context_max = 0;
  std::int64_t started_unix = 0;
  std::string version;
  std::string numerics_id;
  bool ready = false;
  bool draining = false;
};

HttpResponse models_page(const NodeFacts& facts);
HttpResponse model_page(const NodeFacts& facts, std::string_view asked);
HttpResponse live_page();
HttpResponse ready_page(const NodeFacts& facts);
HttpResponse version_page(const NodeFacts& facts);

}  // namespace troupe::actors::gateway

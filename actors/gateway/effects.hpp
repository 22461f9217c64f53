// What the gateway's core wants done after an input. Its shell does it, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/gateway/http_message.hpp"
#include "actors/observe/request_log.hpp"
#include "messages/cancel.hpp"
#include "messages/generate_request.hpp"

namespace troupe::actors::gateway {

// What the access log says of a call beyond its bytes.
struct CallNote {
  std::string request_id;  // as the client sees it
  std::uint32_t prompt_tokens = 0;
  std::uint32_t produced_tokens = 0;
  std::string finish;           // stop, length, or why there is no whole answer
  double first_token_s = -1.0;  // since the call came; negative: no token came
};

// The whole response; the connection is free for its next request.
struct HttpRespond {
  ConnectionId connection = 0;
  HttpResponse response;
  CallNote note = {};
};

// Begins a response whose body follows.
struct HttpStreamBegin {
  ConnectionId connection = 0;
  HttpResponse head;
};

struct HttpStreamWrite {
  ConnectionId connection = 0;
  std::string bytes;
};

struct HttpStreamEnd {
  ConnectionId connection = 0;
  CallNote note = {};
};

// For the HTTP server.
using HttpEffect = std::variant<HttpRespond, HttpStreamBegin, HttpStreamWrite, HttpStreamEnd>;

// Respond with the metrics page, which the core has no hands on.
struct HttpMetrics {
  ConnectionId connection = 0;
};

// A frame of the public protocol for one client.
struct ZmqSend {
  std::string peer;  // routing id
  std::string frame;
};

// A ZeroMQ request ended. HTTP's are logged by its server, which knows when the last byte left.
struct LogAccess {
  observe::AccessRecord record;
};

// A request was refused before dispatch heard of it: open, draining or invalid.
struct CountRefusal {
  const char* reason = "";
};

using Effect = std::variant<HttpRespond,
                            HttpStreamBegin,
                            HttpStreamWrite,
                            HttpStreamEnd,
                            HttpMetrics,
                            ZmqSend,
                            CountRefusal,
                            LogAccess,
                            messages::GenerateRequest,
                            messages::CancelRequest>;

using Effects = std::vector<Effect>;

// Called where an exception over one call may come from, with the place ("finish", "tick",
// "abandon") and the id of the call, for faults on purpose: it may throw. May be empty.
using CallProbe = std::function<void(std::string_view place, std::uint64_t id)>;

inline void pass(const CallProbe& probe, std::string_view place, std::uint64_t id) {
  if (probe) probe(place, id);
}

// Time as the core sees it.
struct Now {
  std::int64_t mono_ms = 0;  // since some start, never backwards
  std::int64_t unix_s = 0;
};

}  // namespace troupe::actors::gateway

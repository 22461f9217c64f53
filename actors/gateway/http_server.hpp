// The HTTP server: sockets and timers on one thread of its own. It moves bytes; what they mean is
// the core's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/gateway/effects.hpp"
#include "config/limits.hpp"

namespace troupe::actors::gateway {

struct HttpServerOptions {
  std::string listen;  // HOST:PORT or [V6]:PORT; port 0 lets the system choose
  std::uint32_t connections_max = config::kConnectionsMax;
  std::size_t reply_bytes_max = config::kReplyBytesMax;
  std::chrono::milliseconds idle_timeout = config::kHttpIdleTimeout;
  // On the server's thread, when the last byte was handed to the system. Status 499: the client
  // left before.
  std::function<void(const observe::AccessRecord&)> on_access;
};

// Both are called on the server's thread and must not block.
struct HttpHandlers {
  // A whole request whose path and method exist. Nothing else comes from this connection until it
  // was answered.
  std::function<void(HttpRequest)> on_request;
  // The connection ended before its response was whole.
  std::function<void(ConnectionId)> on_gone;
};

class HttpServer {
 public:
  // Listens, but takes no connection yet. Throws config::UserError when it cannot.
  explicit HttpServer(HttpServerOptions options);

  // Lets writes that are on their way end, for at most a second.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start(HttpHandlers handlers);

  std::uint16_t port() const;

  // From any thread, in order: what one step brings to all streams wakes the server's thread once.
  // A connection that is gone is passed over.
  void perform(std::vector<HttpEffect> effects);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace troupe::actors::gateway

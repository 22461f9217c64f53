// HTTP/1.1 as bytes: what the server was asked, and responses as they go onto the connection.
// Source: RFC 9110 and RFC 9112.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::actors::gateway {

using ConnectionId = std::uint64_t;

struct HttpRequest {
  ConnectionId connection = 0;
  std::string method;
  std::string target;  // path and query as sent
  std::string body;
  std::string idempotency_key;  // header Idempotency-Key
  std::string last_event_id;    // header Last-Event-ID
  std::string authorization;    // header Authorization: tells callers apart
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers;  // beside those that every response has
  std::string body;
};

// What the connection adds to a response.
struct HttpFraming {
  bool keep_alive = true;
  bool head_only = false;  // the request was HEAD
  bool chunked = true;  // of a stream; false for HTTP/1.0, where the end of the connection ends it
  std::string date;     // IMF-fixdate, or empty
};

// The whole response.
std::string to_bytes(const HttpResponse& response, const HttpFraming& framing);

// The head of a response whose body follows piece by piece. `response.body` is not used.
std::string stream_head(const HttpResponse& response, const HttpFraming& framing);

// One chunk of a chunked body. `bytes` must not be empty: an empty chunk is the end.
std::string chunk(std::string_view bytes);

inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string_view reason_phrase(int status);

}  // namespace troupe::actors::gateway

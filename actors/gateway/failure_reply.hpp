// How a failure looks from outside: HTTP status and error object, and its name in the ZeroMQ
// protocol.
#pragma once

#include <cstdint>
#include <string>

#include "actors/gateway/http_message.hpp"
#include "actors/gateway/request_rules.hpp"
#include "messages/failure.hpp"

namespace troupe::actors::gateway {

// OpenAI's error object and the status that carries it.
struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param;                 // empty: null
  std::string code;                  // empty: null
  std::uint32_t retry_after_ms = 0;  // 0: no advice
};

ApiError to_api_error(const messages::Failure& failure);

// 400, naming the parameter.
ApiError to_api_error(Fault fault);

// The code of client::Error: invalid, too_large, overload, …
std::string zmq_code(messages::FailureCode code);

// {"error": {"message", "type", "param", "code"}}
std::string error_json(const ApiError& error);

// With Retry-After (whole seconds, rounded up) and retry-after-ms when there is advice; a 408
// forbids the SDKs' automatic retry, because a deadline that passed passes again.
HttpResponse error_response(const ApiError& error);

// For a request that is wrong.
messages::Failure invalid(std::string why);

// For an answer of which a piece is missing between two stages: better an error than a gap.
messages::Failure lost_piece(std::uint64_t request_id);

}  // namespace troupe::actors::gateway

// Why a request ends without a whole answer. Any stage → dispatch → aggregate → gateway.
#pragma once

#include <cstdint>
#include <string>

#include "messages/message.hpp"

namespace troupe::messages {

// Each has one HTTP status and one name in the ZeroMQ protocol (actors/gateway/failure_reply.*).
enum class FailureCode : std::uint8_t {
  kNone,
  kInvalid,      // the request is wrong: 400
  kTooLarge,     // body or frame over its limit: 413
  kOverload,     // the queue is full: 429
  kDraining,     // the node is stopping: 503
  kUnavailable,  // no worker can take it: 503
  kDeadline,     // its time ran out: 408
  kCancelled,    // the client left or cancelled: 499, never sent over HTTP
  kWorkerLost,   // the worker that computed it died: 500
  kInternal,     // our fault: 500
  kQuarantined,  // it killed its worker twice when it ran alone: 500, never to be sent again
};

struct Failure {
  std::uint64_t request_id = 0;
  FailureCode code = FailureCode::kNone;
  std::string message;               // one line: what is wrong and what to do
  std::string param;                 // the request field at fault, or empty
  std::uint32_t retry_after_ms = 0;  // 0: no advice

  TROUPE_MESSAGE(Failure, request_id, code, message, param, retry_after_ms)
};

}  // namespace troupe::messages

MSGPACK_ADD_ENUM(troupe::messages::FailureCode)

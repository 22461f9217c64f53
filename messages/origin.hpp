// Who asked for an answer: travels with the request into the ledger, so that a new front can give
// the answer to the client of the one before.
#pragma once

#include <cstdint>
#include <string>

#include "messages/message.hpp"

namespace troupe::messages {

enum class Door : std::uint8_t { kNone, kHttp, kZmq };

struct Origin {
  Door door = Door::kNone;
  std::string peer;            // ZeroMQ: routing id; HTTP: the caller that the key belongs to
  std::string id;              // ZeroMQ: the client's id of the request; HTTP: its Idempotency-Key
  std::string digest;          // HTTP: of the body that came with the key
  bool stream = true;          // the answer goes out piece by piece
  bool chat = false;           // HTTP: the endpoint
  bool include_usage = false;  // HTTP: of stream_options
  std::uint32_t n = 1;         // HTTP: answers for each prompt
  std::int64_t created = 0;    // HTTP: Unix seconds
  std::string fingerprint;     // HTTP: what the reply calls system_fingerprint

  TROUPE_MESSAGE(
      Origin, door, peer, id, digest, stream, chat, include_usage, n, created, fingerprint)
};

}  // namespace troupe::messages

MSGPACK_ADD_ENUM(troupe::messages::Door)

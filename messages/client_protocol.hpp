// The public ZeroMQ protocol: what producers and the gateway say to each other. Documented in
// docs/protocol.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/generate_request.hpp"
#include "messages/sampling.hpp"

namespace troupe::messages::client {

// Client → gateway: first message.
struct Hello {
  std::string version;  // the client library's, for logs
  std::string client;   // the client's name, for logs

  TROUPE_MESSAGE(Hello, version, client)
};

// Gateway → client: the limits that hold.
struct Welcome {
  std::string version;            // the server's
  std::string model;              // the model's alias
  std::uint32_t context_max = 0;  // tokens of prompt + answer
  std::uint64_t frame_bytes_max = 0;
  std::uint32_t credit = 0;  // requests that this client may have open at once

  TROUPE_MESSAGE(Welcome, version, model, context_max, frame_bytes_max, credit)
};

// Client → gateway. Exactly one of prompt, messages and tokens is given.
struct Generate {
  std::string id;  // the client's own, unique among its requests
  std::string prompt;
  std::vector<ChatTurn> messages;
  std::vector<std::int32_t> tokens;  // [prompt_len]
  Sampling sampling;              // `choice` and a zero `seed` are ignored: the server draws a seed
  bool stream = true;             // false: one chunk with the whole text before `final`
  std::uint32_t priority = 5;     // 0 highest … 9
  std::uint64_t deadline_ms = 0;  // 0: none
  std::uint64_t resume_from = 0;  // UTF-8 bytes of the answer that the client already has
  std::string cache_salt;         // only requests with the same one share cached keys and values

  TROUPE_MESSAGE(Generate,
                 id,
                 prompt,
                 messages,
                 tokens,
                 sampling,
                 stream,
                 priority,
                 deadline_ms,
                 resume_from,
                 cache_salt)
};

// Gateway → client: the request will be answered; exactly one `final` or `error` follows.
struct Accepted {
  std::string id;

  TROUPE_MESSAGE(Accepted, id)
};

// Gateway → client: a piece of the answer.
struct Chunk {
  std::string id;
  std::uint32_t choice = 0;
  std::uint64_t text_offset = 0;  // UTF-8 bytes
  std::string text;
  std::uint32_t token_begin = 0;
  std::uint32_t token_end = 0;
  std::vector<std::int32_t> tokens;  // [token_end - token_begin]

  TROUPE_MESSAGE(Chunk, id, choice, text_offset, text, token_begin, token_end, tokens)
};

struct Usage {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t completion_tokens = 0;
  std::uint32_t total_tokens = 0;
  std::uint32_t cached_tokens = 0;  // of the prompt, that the prefix cache held

  TROUPE_MESSAGE(Usage, prompt_tokens, completion_tokens, total_tokens, cached_tokens)
};

// Gateway → client: the answer is whole.
struct Final {
  std::string id;
  std::uint32_t choice = 0;
  std::string reason;  // stop, length, cancelled
  Usage usage;
  // Its tokens come from workers that need not compute the same bits.
  bool resumed_inexact = false;

  TROUPE_MESSAGE(Final, id, choice, reason, usage, resumed_inexact)
};

// Gateway → client: the request ends here, or (empty id) the frame could not be read.
struct Error {
  std::string id;
  std::string code;  // invalid, too_large, overload, draining, unavailable, deadline, worker_lost,
                     // internal, quarantined, malformed
  std::string message;
  std::uint32_t retry_after_ms = 0;

  TROUPE_MESSAGE(Error, id, code, message, retry_after_ms)
};

// Client → gateway. The answer is `final` with reason `cancelled`.
struct Cancel {
  std::string id;

  TROUPE_MESSAGE(Cancel, id)
};

struct Ping {
  std::uint64_t nonce = 0;

  TROUPE_MESSAGE(Ping, nonce)
};

struct Pong {
  std::uint64_t nonce = 0;

  TROUPE_MESSAGE(Pong, nonce)
};

}  // namespace troupe::messages::client

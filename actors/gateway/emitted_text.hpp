// What of an answer went to its client, kept while the request is open so that a client that
// reconnects can be given the rest. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/client_protocol.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::actors::gateway {

class EmittedText {
 public:
  void append(const messages::ReplyChunk& chunk);

  // The answer from byte `offset` on as one chunk (without id), or from the start of the character
  // that `offset` lies in. Tokens are those of the pieces that end behind it, and of those at its
  // end that brought no text: a client tells by token_begin which it has. Requires offset ≤ size().
  messages::client::Chunk from(std::uint64_t offset) const;

  std::uint64_t size() const { return text_.size(); }

  // Of memory.
  std::size_t kept_bytes() const {
    return text_.capacity() + tokens_.capacity() * sizeof(std::int32_t) +
           marks_.capacity() * sizeof(Mark);
  }

  std::uint32_t tokens() const { return static_cast<std::uint32_t>(tokens_.size()); }

 private:
  // Where a piece ended, in bytes and in tokens.
  struct Mark {
    std::uint64_t text_end = 0;
    std::uint32_t token_end = 0;
  };

  std::string text_;
  std::vector<std::int32_t> tokens_;  // [produced so far]
  std::vector<Mark> marks_;
};

}  // namespace troupe::actors::gateway

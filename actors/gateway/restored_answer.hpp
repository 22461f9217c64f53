// An answer that a front before this one had promised: who asked, and what was emitted of it.
#pragma once

#include <vector>

#include "messages/reply_chunk.hpp"
#include "messages/tokenized_request.hpp"

namespace troupe::actors::gateway {

struct RestoredAnswer {
  messages::TokenizedRequest request;
  std::vector<messages::ReplyChunk> chunks;  // from the first on; the last one may be its end
};

}  // namespace troupe::actors::gateway

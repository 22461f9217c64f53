// Gateway → dispatch → batch: nobody waits for this answer any more.
#pragma once

#include <cstdint>

#include "messages/message.hpp"

namespace troupe::messages {

struct CancelRequest {
  std::uint64_t request_id = 0;

  TROUPE_MESSAGE(CancelRequest, request_id)
};

// Dispatch → batch. It may overtake its work item, so the batcher keeps a tombstone.
struct CancelWork {
  std::uint64_t front_epoch = 0;
  std::uint64_t request_id = 0;
  std::uint32_t attempt = 0;

  TROUPE_MESSAGE(CancelWork, front_epoch, request_id, attempt)
};

}  // namespace troupe::messages

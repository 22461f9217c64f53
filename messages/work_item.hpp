// Dispatch → batch: one answer to produce, or to continue, on one worker.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "messages/sampling.hpp"

namespace troupe::messages {

struct WorkItem {
  std::uint64_t front_epoch = 0;  // which incarnation of the front sent it
  std::uint64_t request_id = 0;
  std::uint32_t attempt = 0;                  // raised each time the request moves to a worker
  std::vector<std::int32_t> prompt_tokens;    // [prompt_len], never empty
  std::vector<std::int32_t> produced_tokens;  // [produced], what an earlier attempt journalled
  Sampling sampling;
  std::string cache_salt;  // only requests with the same one share cached keys and values

  TROUPE_MESSAGE(WorkItem,
                 front_epoch,
                 request_id,
                 attempt,
                 prompt_tokens,
                 produced_tokens,
                 sampling,
                 cache_salt)
};

// Reads whose work a frame is (front_epoch, request_id, attempt) for as far as it can be read, when
// all of it cannot. False: not even that.
bool read_work_name(std::string_view frame, WorkItem& item);

}  // namespace troupe::messages

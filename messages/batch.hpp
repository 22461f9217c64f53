// Batch → infer: what one forward pass computes.
#pragma once

#include <cstdint>
#include <vector>

#include "messages/work_item.hpp"

namespace troupe::messages {

// One sequence's share of the step. Its tokens are the `count` that follow `position` in prompt +
// produced.
struct BatchSlice {
  std::uint64_t request_id = 0;
  std::int32_t position = 0;
  std::int32_t count = 0;
  bool sample = false;               // the slice ends the known tokens: draw the next one
  std::vector<std::int32_t> blocks;  // KV blocks in order; they cover position + count

  TROUPE_MESSAGE(BatchSlice, request_id, position, count, sample, blocks)
};

struct Batch {
  std::uint64_t step = 0;
  std::uint64_t front_epoch = 0;    // of the front that the tokens are for
  std::vector<WorkItem> joined;     // sequences that infer has not seen
  std::vector<std::uint64_t> left;  // sequences that infer may forget, before `joined` is read
  std::vector<BatchSlice> slices;

  TROUPE_MESSAGE(Batch, step, front_epoch, joined, left, slices)
};

}  // namespace troupe::messages

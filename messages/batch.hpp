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
  std::uint32_t cached_tokens = 0;   // of its prompt, which the prefix cache held: for its usage
  std::vector<std::int32_t> blocks;  // KV blocks in order; they cover position + count

  TROUPE_MESSAGE(BatchSlice, request_id, position, count, sample, cached_tokens, blocks)
};

struct Batch {
  std::uint64_t step = 0;
  std::uint64_t front_epoch = 0;    // of the front that the tokens are for
  std::vector<WorkItem> joined;     // sequences that infer has not seen
  std::vector<std::uint64_t> left;  // sequences that infer may forget, before `joined` is read
  // Blocks that may hold numbers that are not finite: to be zeroed before the step.
  std::vector<std::int32_t> stained_blocks;
  std::vector<BatchSlice> slices;

  TROUPE_MESSAGE(Batch, step, front_epoch, joined, left, stained_blocks, slices)
};

}  // namespace troupe::messages

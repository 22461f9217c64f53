// What one forward pass was, for performance.log and the histograms. Part of a worker's beat.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/message.hpp"

namespace troupe::messages {

// All ops of one name in a step.
struct OpRecord {
  std::string name;  // int8_linear, attention, …
  std::uint64_t us = 0;
  std::uint64_t memory_bytes = 0;  // weights, and cached keys and values
  std::uint64_t operations = 0;    // additions and multiplications, counted apart

  TROUPE_MESSAGE(OpRecord, name, us, memory_bytes, operations)
};

struct StepRecord {
  std::uint64_t step = 0;     // forward passes since the worker's start
  std::uint64_t unix_us = 0;  // when its result was there
  std::uint64_t step_us = 0;  // forward pass and sampling
  std::uint32_t sequences = 0;
  std::uint32_t prefill_tokens = 0;  // of prompts, and of what is recomputed after a preemption
  std::uint32_t decode_tokens = 0;   // one for each running stream
  std::uint32_t waiting = 0;         // work items without blocks, after the step
  std::uint32_t kv_blocks_used = 0;  // after the step
  std::uint32_t kv_blocks_free = 0;
  std::uint64_t preemptions = 0;  // since the worker's start
  std::vector<OpRecord> ops;      // of the forward pass; a name each

  TROUPE_MESSAGE(StepRecord,
                 step,
                 unix_us,
                 step_us,
                 sequences,
                 prefill_tokens,
                 decode_tokens,
                 waiting,
                 kv_blocks_used,
                 kv_blocks_free,
                 preemptions,
                 ops)
};

}  // namespace troupe::messages

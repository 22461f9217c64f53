// Infer → batch: what the step produced, for bookkeeping. The tokens' way to the client is
// token_frame.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "messages/message.hpp"
#include "messages/step_record.hpp"

namespace troupe::messages {

struct BatchOutcome {
  std::uint64_t request_id = 0;
  std::int32_t token = -1;  // -1: none, the sequence failed
  bool finished = false;    // infer proposed the end; the sequence takes no further step

  TROUPE_MESSAGE(BatchOutcome, request_id, token, finished)
};

struct BatchResult {
  std::uint64_t step = 0;
  std::uint64_t step_us = 0;           // how long the forward pass and sampling took
  std::uint32_t nonfinite = 0;         // sequences that failed: a logit was not finite
  std::vector<BatchOutcome> outcomes;  // one for each slice that sampled
  std::vector<OpRecord> ops;           // what the forward pass was made of

  TROUPE_MESSAGE(BatchResult, step, step_us, nonfinite, outcomes, ops)
};

}  // namespace troupe::messages

// Remembers every step between two beats. Pure: time comes in.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "messages/batch.hpp"
#include "messages/batch_result.hpp"
#include "messages/step_record.hpp"

namespace troupe::actors::batch {

// A step costs a few additions and a copy; the front does the rest with the next beat.
class StepJournal {
 public:
  StepJournal();

  // The step that infer gets now; it does them in order.
  void begin(const messages::Batch& batch);

  // The outcome of the oldest one, without the streams that infer passed over, and what the batcher
  // holds after it (`waiting`, `kv_blocks_*`, `preemptions`).
  void finish(const messages::BatchResult& result,
              std::uint64_t unix_us,
              const messages::StepRecord& after);

  // The records since the last call, oldest first; at most config::kStepRecordsMax. Steps beyond
  // are left out, which their missing numbers show.
  std::vector<messages::StepRecord> take();

 private:
  struct Step {
    messages::StepRecord record;
    std::size_t samples = 0;  // sequences that were to draw a token
  };

  std::deque<Step> under_way_;  // oldest first; the batcher bounds them
  std::vector<messages::StepRecord> records_;
};

}  // namespace troupe::actors::batch

// Short words for a batcher's inputs and outputs.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <set>
#include <vector>

#include "actors/batch/batcher.hpp"

namespace troupe::actors::batch {

inline constexpr std::int32_t kBlock = 32;

inline BatcherOptions options(std::uint32_t sequences = 4,
                              std::uint32_t tokens = 64,
                              std::int32_t blocks = 64) {
  return {.sequences_max = sequences,
          .step_tokens_max = tokens,
          .kv_blocks = blocks,
          .block_tokens = kBlock};
}

inline BatcherOptions ahead(std::uint32_t sequences = 4, std::int32_t blocks = 64) {
  BatcherOptions given = options(sequences, 64, blocks);
  given.plans_ahead = true;
  return given;
}

inline messages::WorkItem item(std::uint64_t id, std::size_t prompt, std::uint32_t attempt = 1) {
  return {.front_epoch = 1,
          .request_id = id,
          .attempt = attempt,
          .prompt_tokens = std::vector<std::int32_t>(prompt, 7)};
}

// What infer answers to a batch: token 5 for each slice that samples; those in `finished` end.
inline messages::BatchResult answer(const messages::Batch& batch,
                                    const std::set<std::uint64_t>& finished = {}) {
  messages::BatchResult result{.step = batch.step};
  for (const auto& slice : batch.slices) {
    if (!slice.sample) continue;
    result.outcomes.push_back({.request_id = slice.request_id,
                               .token = 5,
                               .finished = finished.contains(slice.request_id)});
  }
  return result;
}

inline const messages::BatchSlice* slice_of(const messages::Batch& batch, std::uint64_t id) {
  const auto found = std::ranges::find(batch.slices, id, &messages::BatchSlice::request_id);
  return found == batch.slices.end() ? nullptr : &*found;
}

inline std::vector<std::uint64_t> released_ids(Batcher& batcher) {
  std::vector<std::uint64_t> ids;
  for (const auto& work : batcher.take_released()) {
    BOOST_TEST(work.attempt == 1U);
    ids.push_back(work.request_id);
  }
  return ids;
}

}  // namespace troupe::actors::batch

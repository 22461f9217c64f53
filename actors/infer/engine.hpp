// What infer does with a batch: one forward pass, one sampled token for each sequence that wants
// one. No CAF, no sockets.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/infer/cache_warmer.hpp"
#include "kernels/device.hpp"
#include "kernels/metering_device.hpp"
#include "messages/batch.hpp"
#include "messages/batch_result.hpp"
#include "messages/token_frame.hpp"
#include "model/kv_cache.hpp"
#include "model/sampler.hpp"
#include "model/transformer.hpp"

namespace troupe::actors::infer {

struct StepOutput {
  messages::BatchResult result;  // to batch
  messages::TokenFrame frame;    // to the ledger; epoch and generation are the caller's to fill
};

struct EngineOptions {
  std::uint32_t step_tokens_max = 0;
  std::uint32_t sequences_max = 0;
  std::int32_t kv_blocks = 0;
  std::vector<std::int32_t> end_tokens;  // that end an answer
  model::WeightsOptions weights;
};

class Engine {
 public:
  // `file` must outlive the engine. Throws config::UserError for a model it cannot run.
  Engine(const model::ModelFile& file,
         std::unique_ptr<kernels::Device> device,
         EngineOptions options);

  // Takes out the slices of sequences that ended in a batch before, of which batch did not know
  // when it planned this one.
  void pass_over_ended(messages::Batch& batch) const;

  // The slices' blocks belong to their sequences until the next batch says otherwise. The output is
  // the caller's to change until the next call; what is left in it is used again, so that a step of
  // sequences that are known allocates nothing.
  StepOutput& run(const messages::Batch& batch);

  // From now on memory for the next blocks is made ahead, by a thread of low priority.
  void keep_cache_warm();

  // Returns when all of the cache has its memory, as after hours of service: for measurements.
  void warm_cache();

  const model::Architecture& architecture() const { return transformer_.architecture(); }

  const std::string& numerics_id() const { return transformer_.numerics_id(); }

 private:
  // What sampling needs of a sequence: pure data of prompt + produced, so that a resumed one is as
  // good as new.
  struct Sequence {
    std::uint32_t attempt = 0;
    std::int32_t prompt_length = 0;
    std::vector<std::int32_t> tokens;  // [prompt + produced]
    messages::Sampling sampling;
    model::SamplingParams params;
    bool over = false;  // it has its last token
  };

  void update_sequences(const messages::Batch& batch);
  void record_ops();
  void sample_all();
  void sample_row(std::size_t row, const messages::BatchSlice& slice, model::Sampler& sampler);
  void sample_next(Sequence& sequence,
                   std::span<float> logits,
                   model::Sampler& sampler,
                   messages::TokenEvent& event);
  messages::FinishReason finish_reason(const Sequence& sequence) const;

  EngineOptions options_;
  kernels::MeteringDevice device_;
  model::Transformer transformer_;
  model::KvCache cache_;
  CacheWarmer warmer_;
  std::unordered_map<std::uint64_t, Sequence> sequences_;
  std::vector<model::SequenceSlice> slices_;          // scratch of a step
  std::vector<float> logits_;                         // [sequences_max, vocab]
  std::vector<const messages::BatchSlice*> sampled_;  // [rows of logits], scratch of a step
  std::deque<model::Sampler> samplers_;               // one a thread
  StepOutput output_;
};

}  // namespace troupe::actors::infer

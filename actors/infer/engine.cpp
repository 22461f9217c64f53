#include "actors/infer/engine.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "config/check.hpp"

namespace troupe::actors::infer {
namespace {

using messages::FinishReason;

model::SamplingParams to_params(const messages::Sampling& sampling) {
  return {.temperature = sampling.temperature,
          .top_k = sampling.top_k,
          .top_p = sampling.top_p,
          .min_p = sampling.min_p,
          .repetition_penalty = sampling.repetition_penalty,
          .frequency_penalty = sampling.frequency_penalty,
          .presence_penalty = sampling.presence_penalty,
          .logit_bias = sampling.logit_bias,
          .seed = sampling.seed,
          .choice = sampling.choice,
          .top_logprobs = sampling.top_logprobs};
}

std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }

}  // namespace

Engine::Engine(const model::GgufFile& file,
               std::unique_ptr<kernels::Device> device,
               EngineOptions options)
    : options_(std::move(options)),
      device_(std::move(device)),
      transformer_(
          file, *device_, static_cast<std::int32_t>(options_.step_tokens_max), options_.weights),
      cache_(*device_, transformer_.architecture(), options_.kv_blocks, options_.weights.kv),
      logits_(at(transformer_.architecture().vocab) * options_.sequences_max) {
  slices_.reserve(options_.sequences_max);
}

StepOutput Engine::run(const messages::Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  update_sequences(batch);
  slices_.clear();
  std::size_t rows = 0;
  for (const messages::BatchSlice& slice : batch.slices) {
    const std::span<const std::int32_t> tokens = sequences_.at(slice.request_id).tokens;
    slices_.push_back({.tokens = tokens.subspan(at(slice.position), at(slice.count)),
                       .position = slice.position,
                       .blocks = slice.blocks,
                       .logit_rows = slice.sample ? 1 : 0});
    rows += slice.sample ? 1 : 0;
  }
  const std::size_t vocab = at(transformer_.architecture().vocab);
  CHECK(rows <= options_.sequences_max, "the batcher keeps to sequences_max");
  transformer_.forward(slices_, cache_, std::span(logits_).first(rows * vocab));

  StepOutput output{.result = {.step = batch.step}, .frame = {}};
  std::span<float> unread = logits_;
  for (const messages::BatchSlice& slice : batch.slices) {
    if (!slice.sample) continue;
    messages::TokenEvent event =
        sample_next(sequences_.at(slice.request_id), slice.request_id, unread.first(vocab));
    unread = unread.subspan(vocab);
    if (event.token < 0) ++output.result.nonfinite;
    output.result.outcomes.push_back({.request_id = slice.request_id,
                                      .token = event.token,
                                      .finished = event.finish != FinishReason::kNone});
    output.frame.events.push_back(std::move(event));
  }
  output.result.step_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::steady_clock::now() - start)
                                     .count());
  return output;
}

void Engine::update_sequences(const messages::Batch& batch) {
  for (const std::uint64_t id : batch.left) sequences_.erase(id);
  for (const messages::WorkItem& item : batch.joined) {
    Sequence sequence{.attempt = item.attempt,
                      .prompt_length = static_cast<std::int32_t>(item.prompt_tokens.size()),
                      .tokens = item.prompt_tokens,
                      .sampling = item.sampling,
                      .params = to_params(item.sampling)};
    sequence.tokens.insert(
        sequence.tokens.end(), item.produced_tokens.begin(), item.produced_tokens.end());
    sequences_.insert_or_assign(item.request_id, std::move(sequence));
  }
}

messages::TokenEvent Engine::sample_next(Sequence& sequence,
                                         std::uint64_t request_id,
                                         std::span<float> logits) {
  const std::span<const std::int32_t> known = sequence.tokens;
  const std::span<const std::int32_t> produced = known.subspan(at(sequence.prompt_length));
  const bool too_early = produced.size() < sequence.sampling.min_tokens;
  model::SampledToken sampled =
      model::sample(logits,
                    sequence.params,
                    known.first(at(sequence.prompt_length)),
                    produced,
                    too_early ? std::span<const std::int32_t>(options_.end_tokens)
                              : std::span<const std::int32_t>{});
  messages::TokenEvent event{.request_id = request_id,
                             .attempt = sequence.attempt,
                             .position = static_cast<std::uint32_t>(produced.size()),
                             .token = sampled.id,
                             .logprob = sampled.logprob,
                             .top_logprobs = std::move(sampled.top_logprobs)};
  if (!sampled.finite()) {
    event.finish = FinishReason::kError;
    event.error = "the model produced a number that is not finite; the request cannot go on";
    return event;
  }
  sequence.tokens.push_back(sampled.id);
  event.finish = finish_reason(sequence);
  return event;
}

FinishReason Engine::finish_reason(const Sequence& sequence) const {
  const bool is_end =
      std::ranges::find(options_.end_tokens, sequence.tokens.back()) != options_.end_tokens.end();
  if (is_end && !sequence.sampling.ignore_eos) return FinishReason::kStop;
  const std::size_t produced = sequence.tokens.size() - at(sequence.prompt_length);
  return produced >= sequence.sampling.max_tokens ? FinishReason::kLength : FinishReason::kNone;
}

}  // namespace troupe::actors::infer

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

Engine::Engine(const model::ModelFile& file,
               std::unique_ptr<kernels::Device> device,
               EngineOptions options)
    : options_(std::move(options)),
      device_(std::move(device)),
      transformer_(
          file, device_, static_cast<std::int32_t>(options_.step_tokens_max), options_.weights),
      cache_(device_, transformer_.architecture(), options_.kv_blocks, options_.weights.kv),
      warmer_(cache_),
      logits_(at(transformer_.architecture().vocab) * options_.sequences_max) {
  slices_.reserve(options_.sequences_max);
  sampled_.reserve(options_.sequences_max);
  for (int i = 0; i < device_.threads(); ++i)
    samplers_.emplace_back(at(transformer_.architecture().context_max),
                           at(transformer_.architecture().vocab));
}

// A name that joins with this batch is another sequence's from then on.
void Engine::pass_over_ended(messages::Batch& batch) const {
  std::erase_if(batch.slices, [&](const messages::BatchSlice& slice) {
    const std::uint64_t id = slice.request_id;
    const auto known = sequences_.find(id);
    return known != sequences_.end() && known->second.over &&
           std::ranges::count(batch.joined, id, &messages::WorkItem::request_id) == 0;
  });
}

StepOutput& Engine::run(const messages::Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  update_sequences(batch);
  for (const std::int32_t block : batch.stained_blocks) cache_.zero(block);
  slices_.clear();
  sampled_.clear();
  for (const messages::BatchSlice& slice : batch.slices) {
    const std::span<const std::int32_t> tokens = sequences_.at(slice.request_id).tokens;
    slices_.push_back({.tokens = tokens.subspan(at(slice.position), at(slice.count)),
                       .position = slice.position,
                       .blocks = slice.blocks,
                       .logit_rows = slice.sample ? 1 : 0});
    if (slice.sample) sampled_.push_back(&slice);
    warmer_.note(std::ranges::max(slice.blocks));
  }
  const std::size_t rows = sampled_.size();
  const std::size_t vocab = at(transformer_.architecture().vocab);
  CHECK(rows <= options_.sequences_max, "the batcher keeps to sequences_max");
  // A batch without slices only forgets.
  device_.restart();
  if (!slices_.empty()) {
    transformer_.forward(slices_, cache_, std::span(logits_).first(rows * vocab));
  }
  record_ops();
  output_.frame.events.resize(rows);
  output_.result.outcomes.resize(rows);
  output_.result.step = batch.step;
  sample_all();
  output_.result.step_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::steady_clock::now() - start)
                                     .count());
  return output_;
}

void Engine::keep_cache_warm() { warmer_.begin(); }

void Engine::warm_cache() {
  warmer_.begin();
  warmer_.note(cache_.blocks() - 1);
  warmer_.wait_until_warm();
}

void Engine::record_ops() {
  const std::span<const kernels::OpTotal> totals = device_.totals();
  std::vector<messages::OpRecord>& ops = output_.result.ops;
  ops.resize(totals.size());
  for (std::size_t i = 0; i < totals.size(); ++i) {
    ops[i].name = totals[i].name;
    ops[i].us = totals[i].ns / 1000;
    ops[i].memory_bytes = totals[i].memory_bytes;
    ops[i].operations = totals[i].operations;
  }
}

// One event and one outcome for each row of logits, in the order of the slices; rows are shared out
// over threads, for a row of 100,000 logits takes a while.
void Engine::sample_all() {
  device_.parallel_for(
      static_cast<std::uint32_t>(sampled_.size()), [&](std::uint32_t row, int thread) {
        sample_row(row, *sampled_[row], samplers_[static_cast<std::size_t>(thread)]);
      });
  const auto is_lost = [](const messages::TokenEvent& event) { return event.token < 0; };
  output_.result.nonfinite =
      static_cast<std::uint32_t>(std::ranges::count_if(output_.frame.events, is_lost));
}

void Engine::sample_row(std::size_t row,
                        const messages::BatchSlice& slice,
                        model::Sampler& sampler) {
  const std::size_t vocab = at(transformer_.architecture().vocab);
  messages::TokenEvent& event = output_.frame.events[row];
  event.request_id = slice.request_id;
  event.cached_tokens = slice.cached_tokens;
  const std::span<float> logits = std::span(logits_).subspan(row * vocab, vocab);
  Sequence& sequence = sequences_.at(slice.request_id);
  sample_next(sequence, logits, sampler, event);
  sequence.over = event.finish != FinishReason::kNone;
  output_.result.outcomes[row] = {
      .request_id = slice.request_id, .token = event.token, .finished = sequence.over};
}

void Engine::update_sequences(const messages::Batch& batch) {
  for (const std::uint64_t id : batch.left) sequences_.erase(id);
  for (const messages::WorkItem& item : batch.joined) {
    Sequence sequence{.attempt = item.attempt,
                      .prompt_length = static_cast<std::int32_t>(item.prompt_tokens.size()),
                      .tokens = {},
                      .sampling = item.sampling,
                      .params = to_params(item.sampling)};
    // All that it may grow to, so that no step has to make room.
    const std::size_t most = at(transformer_.architecture().context_max);
    sequence.tokens.reserve(std::min(most, item.prompt_tokens.size() + item.sampling.max_tokens));
    sequence.tokens = item.prompt_tokens;
    sequence.tokens.insert(
        sequence.tokens.end(), item.produced_tokens.begin(), item.produced_tokens.end());
    sequences_.insert_or_assign(item.request_id, std::move(sequence));
  }
}

void Engine::sample_next(Sequence& sequence,
                         std::span<float> logits,
                         model::Sampler& sampler,
                         messages::TokenEvent& event) {
  const std::span<const std::int32_t> known = sequence.tokens;
  const std::span<const std::int32_t> produced = known.subspan(at(sequence.prompt_length));
  const bool too_early = produced.size() < sequence.sampling.min_tokens;
  const model::SampledToken& sampled =
      sampler.sample(logits,
                     sequence.params,
                     known.first(at(sequence.prompt_length)),
                     produced,
                     too_early ? std::span<const std::int32_t>(options_.end_tokens)
                               : std::span<const std::int32_t>{});
  event.attempt = sequence.attempt;
  event.position = static_cast<std::uint32_t>(produced.size());
  event.token = sampled.id;
  event.logprob = sampled.logprob;
  event.top_logprobs = sampled.top_logprobs;
  event.error.clear();
  if (!sampled.finite()) {
    event.finish = FinishReason::kError;
    event.error = "the model produced a number that is not finite; the request cannot go on";
    return;
  }
  sequence.tokens.push_back(sampled.id);
  event.finish = finish_reason(sequence);
}

messages::FinishReason Engine::finish_reason(const Sequence& sequence) const {
  const bool is_end =
      std::ranges::find(options_.end_tokens, sequence.tokens.back()) != options_.end_tokens.end();
  if (is_end && !sequence.sampling.ignore_eos) return FinishReason::kStop;
  const std::size_t produced = sequence.tokens.size() - at(sequence.prompt_length);
  return produced >= sequence.sampling.max_tokens ? FinishReason::kLength : FinishReason::kNone;
}

}  // namespace troupe::actors::infer

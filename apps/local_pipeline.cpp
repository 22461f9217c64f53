#include "apps/local_pipeline.hpp"

#include <algorithm>
#include <utility>

#include "model/kv_cache.hpp"

namespace troupe::apps {
namespace {

using messages::Failure;
using messages::FailureCode;
using messages::FinishReason;

// There is one front and it never restarts.
constexpr std::uint64_t kEpoch = 1;

std::uint32_t step_tokens(const config::NodeConfig& config, std::uint32_t sequences) {
  return std::max(config.batch.step_tokens_max, sequences);
}

}  // namespace

LocalPipeline::LocalPipeline(const LoadedModel& model,
                             const config::NodeConfig& config,
                             std::uint32_t sequences,
                             OnChunk on_chunk,
                             Progress* progress)
    : preprocessor_(model.tokenizer, model.chat_template, model.context_max),
      kv_blocks_(plan_memory(model, config, sequences).kv_blocks),
      batcher_({.sequences_max = sequences,
                .step_tokens_max = step_tokens(config, sequences),
                .kv_blocks = kv_blocks_,
                .block_tokens = model::kBlockTokens,
                .prefix_cache = config.batch.prefix_cache == "on"}),
      engine_(*model.file,
              make_device(config),
              {.step_tokens_max = step_tokens(config, sequences),
               .sequences_max = sequences,
               .kv_blocks = kv_blocks_,
               .end_tokens = model.tokenizer->end_of_generation(),
               .weights = weights_options(config, progress)}),
      aggregator_(model.tokenizer),
      on_chunk_(std::move(on_chunk)),
      has_chat_template_(model.chat_template != nullptr) {}

void LocalPipeline::submit(const messages::GenerateRequest& request) {
  if (request.prompt_kind == messages::PromptKind::kChat && !has_chat_template_) {
    return fail({.request_id = request.request_id,
                 .code = FailureCode::kInvalid,
                 .message = "the model file has no chat template: give a plain prompt",
                 .param = "messages"});
  }
  auto preprocessed = preprocessor_.run(request);
  if (const auto* failure = std::get_if<Failure>(&preprocessed)) return fail(*failure);
  auto& tokenized = std::get<messages::TokenizedRequest>(preprocessed);
  emit(aggregator_.on_plan({.request_id = tokenized.request_id,
                            .prompt_tokens = tokenized.prompt_tokens,
                            .stop = tokenized.sampling.stop,
                            .echo = tokenized.echo,
                            .logprobs = tokenized.sampling.top_logprobs >= 0}));
  working_.insert(tokenized.request_id);
  batcher_.add({.front_epoch = kEpoch,
                .request_id = tokenized.request_id,
                .attempt = 0,
                .prompt_tokens = std::move(tokenized.prompt_tokens),
                .produced_tokens = {},
                .sampling = std::move(tokenized.sampling)});
}

void LocalPipeline::cancel(std::uint64_t request_id) {
  if (!working_.contains(request_id)) return;
  end_work(request_id);
  fail({.request_id = request_id, .code = FailureCode::kCancelled, .message = "cancelled"});
}

bool LocalPipeline::step() {
  auto batch = batcher_.next_batch();
  if (!batch) return false;
  last_batch_ = std::move(*batch);
  actors::infer::StepOutput& output = engine_.run(last_batch_);
  batcher_.finish(output.result);
  for (const auto& released : batcher_.take_released()) working_.erase(released.request_id);
  deliver(std::move(output.frame));
  return true;
}

// What dispatch's ledger does with a frame, where nothing can be late or lost.
void LocalPipeline::deliver(messages::TokenFrame frame) {
  messages::JournaledTokens journaled;
  for (messages::TokenEvent& event : frame.events) {
    if (event.finish == FinishReason::kError) {
      fail({.request_id = event.request_id,
            .code = FailureCode::kInternal,
            .message = std::move(event.error)});
    } else {
      journaled.events.push_back(std::move(event));
    }
  }
  emit(aggregator_.on_tokens(journaled));
}

void LocalPipeline::fail(const Failure& failure) { emit(aggregator_.on_failure(failure)); }

void LocalPipeline::emit(const actors::aggregate::Replies& replies) {
  // A stop string ends an answer that infer would go on with.
  for (const messages::ReplyFinished& finished : replies.finished) end_work(finished.request_id);
  for (const messages::ReplyChunk& chunk : replies.chunks) on_chunk_(chunk);
}

void LocalPipeline::end_work(std::uint64_t request_id) {
  if (working_.erase(request_id) == 0) return;
  batcher_.cancel({.front_epoch = kEpoch, .request_id = request_id, .attempt = 0});
  batcher_.take_released();
}

}  // namespace troupe::apps

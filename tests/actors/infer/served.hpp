// A batcher and an engine, driven by one thread: what the worker's actors do, without them.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "actors/batch/batcher.hpp"
#include "actors/infer/engine.hpp"
#include "tests/apps/tiny_model_file.hpp"

namespace troupe::tests {

// What of a token must be the same in every schedule: all of it, bit by bit.
struct SameToken {
  std::int32_t token = -1;
  std::uint32_t logprob_bits = 0;
  std::vector<std::pair<std::int32_t, std::uint32_t>> top;

  bool operator==(const SameToken&) const = default;
};

struct ServedAnswer {
  std::vector<SameToken> tokens;
  messages::FinishReason finish = messages::FinishReason::kNone;

  bool operator==(const ServedAnswer&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const ServedAnswer& answer) {
  out << "finish " << static_cast<int>(answer.finish) << ":";
  for (const SameToken& token : answer.tokens) out << ' ' << token.token;
  return out;
}

class Served {
 public:
  Served(actors::infer::Engine& engine, const actors::batch::BatcherOptions& options)
      : engine_(engine), batcher_(options) {}

  actors::batch::Batcher& batcher() { return batcher_; }

  void add(messages::WorkItem item) { batcher_.add(std::move(item)); }

  void cancel(std::uint64_t id, std::uint32_t attempt) {
    batcher_.cancel({.request_id = id, .attempt = attempt});
    cancelled_[id] = attempt;
  }

  // One step that is said to have taken `step_us`. `between` is called while it is under way.
  // False: nobody needs one.
  template <class Between>
  bool step(std::uint64_t step_us, Between between) {
    while (std::optional<messages::Batch> next = batcher_.next_batch()) {
      under_way_.push_back(std::move(*next));
    }
    if (under_way_.empty()) return false;
    steps_ahead += under_way_.size() - 1;
    between();
    messages::Batch batch = std::move(under_way_.front());
    under_way_.pop_front();
    engine_.pass_over_ended(batch);
    const actors::infer::StepOutput& output = engine_.run(batch);
    nonfinite += output.result.nonfinite;
    for (const messages::TokenEvent& event : output.frame.events) take(event);
    messages::BatchResult result = output.result;
    result.step_us = step_us;
    batcher_.finish(result);
    batcher_.take_released();
    return true;
  }

  void run() {
    while (step(0, [] {})) {
    }
  }

  std::map<std::uint64_t, ServedAnswer> answers;
  std::uint64_t nonfinite = 0;
  std::uint64_t steps_ahead = 0;  // that were planned while another was under way

 private:
  // What the ledger does: a token of a cancelled attempt is dropped.
  void take(const messages::TokenEvent& event) {
    const auto cancelled = cancelled_.find(event.request_id);
    if (cancelled != cancelled_.end() && cancelled->second >= event.attempt) return;
    ServedAnswer& answer = answers[event.request_id];
    answer.finish = event.finish;
    if (event.token < 0) return;
    SameToken token{.token = event.token,
                    .logprob_bits = std::bit_cast<std::uint32_t>(event.logprob)};
    for (const auto& [id, logprob] : event.top_logprobs) {
      token.top.emplace_back(id, std::bit_cast<std::uint32_t>(logprob));
    }
    answer.tokens.push_back(std::move(token));
  }

  actors::infer::Engine& engine_;
  actors::batch::Batcher batcher_;
  std::deque<messages::Batch> under_way_;             // at infer, oldest first
  std::map<std::uint64_t, std::uint32_t> cancelled_;  // request → attempt
};

// The engine of a tiny random model with a byte vocabulary.
struct TinyEngine {
  struct Options {
    int threads = 1;
    model::Precision precision = model::Precision::kFp32;
    kernels::KvType kv = kernels::KvType::kF32;
    kernels::CpuBackend backend = kernels::CpuBackend::kAuto;
    std::int32_t poisoned_token = -1;
    std::int32_t kv_blocks = 64;
  };

  static constexpr std::uint32_t kSequences = 8;
  static constexpr std::uint32_t kStepTokens = 256;

  explicit TinyEngine(const Options& options)
      : bytes(
            tiny_model_builder({.tied = false, .poisoned_token = options.poisoned_token}).build()),
        file(model::ModelFile::parse(bytes, "tiny")),
        engine(file,
               kernels::make_cpu_device(options.threads, options.backend),
               {.step_tokens_max = kStepTokens,
                .sequences_max = kSequences,
                .kv_blocks = options.kv_blocks,
                .end_tokens = {kTinyVocab - 1},
                .weights = {.precision = options.precision, .kv = options.kv}}) {}

  // The simplest batcher: whole steps, no cache, all blocks.
  actors::batch::BatcherOptions plain() const {
    return {.sequences_max = kSequences,
            .step_tokens_max = kStepTokens,
            .kv_blocks = 64,
            .block_tokens = model::kBlockTokens};
  }

  ServedAnswer alone(messages::WorkItem item) {
    const std::uint64_t id = item.request_id;
    Served served(engine, plain());
    served.add(std::move(item));
    served.run();
    return served.answers[id];
  }

  std::vector<std::byte> bytes;
  model::ModelFile file;
  actors::infer::Engine engine;
};

}  // namespace troupe::tests

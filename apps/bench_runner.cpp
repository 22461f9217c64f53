#include "apps/bench_runner.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "apps/calibration.hpp"
#include "config/user_error.hpp"
#include "model/kv_cache.hpp"

namespace troupe::apps {
namespace {

using config::UserError;

std::int32_t largest_batch(const BenchPlan& plan) { return std::ranges::max(plan.batches); }

// Each sequence has its own for its whole context.
std::int32_t kv_blocks(const BenchPlan& plan) {
  return model::blocks_for(plan.context()) * largest_batch(plan);
}

// The same tokens in every run, another list for each sequence, so that no cache could help.
std::vector<std::int32_t> fixed_tokens(std::uint64_t seed, std::int32_t count, std::int32_t vocab) {
  std::minstd_rand generator(static_cast<std::minstd_rand::result_type>(seed));
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens) {
    token = static_cast<std::int32_t>(generator() % static_cast<std::uint32_t>(vocab));
  }
  return tokens;
}

}  // namespace

double Rates::median() const {
  const std::size_t middle = sorted.size() / 2;
  if (sorted.empty()) return 0.0;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

void check_plan(const BenchPlan& plan, const LoadedModel& model, const config::NodeConfig& config) {
  const auto context = static_cast<std::uint32_t>(plan.context());
  if (context > model.context_max) {
    throw UserError("--prompt and --generate make a context of " + std::to_string(context) +
                    " tokens and the model holds " + std::to_string(model.context_max) +
                    ": lower them");
  }
  const std::int32_t batch = largest_batch(plan);
  check_fits(
      memory_needs(
          *model.file, model.architecture, context, config, static_cast<std::uint32_t>(batch)),
      static_cast<std::uint64_t>(kv_blocks(plan)),
      "batch " + std::to_string(batch),
      "lower --batch, --prompt or --generate");
}

BenchRunner::BenchRunner(const LoadedModel& model,
                         const config::NodeConfig& config,
                         BenchPlan plan,
                         Progress& progress,
                         Stop stop)
    : plan_(std::move(plan)),
      progress_(progress),
      stop_(std::move(stop)),
      vocab_(model.architecture.vocab),
      sequences_max_(static_cast<std::uint32_t>(largest_batch(plan_))),
      step_tokens_max_(std::max(config.batch.step_tokens_max, sequences_max_)),
      engine_(*model.file,
              profiling_device(config),
              {.step_tokens_max = step_tokens_max_,
               .sequences_max = sequences_max_,
               .kv_blocks = kv_blocks(plan_),
               .end_tokens = model.tokenizer->end_of_generation(),
               .weights = weights_options(config, &progress)}) {}

// The sequences of before leave, `batch` new ones join, each with blocks for its whole context.
messages::Batch BenchRunner::joining(std::int32_t batch) {
  messages::Batch first;
  for (const Sequence& sequence : sequences_) first.left.push_back(sequence.id);
  sequences_.clear();
  const std::int32_t blocks = model::blocks_for(plan_.context());
  for (std::int32_t i = 0; i < batch; ++i) {
    Sequence sequence{.id = next_id_++, .computed = 0, .blocks = {}};
    for (std::int32_t b = 0; b < blocks; ++b) sequence.blocks.push_back(i * blocks + b);
    first.joined.push_back(
        {.request_id = sequence.id,
         .prompt_tokens = fixed_tokens(sequence.id, plan_.prompt, vocab_),
         .sampling = {.temperature = 0.0F,
                      .max_tokens = static_cast<std::uint32_t>(plan_.generate) + 2,
                      .ignore_eos = true}});
    sequences_.push_back(std::move(sequence));
  }
  return first;
}

void BenchRunner::add_slice(Sequence& sequence, std::int32_t count, messages::Batch& batch) {
  const std::int32_t end = sequence.computed + count;
  const auto used = sequence.blocks.begin() + model::blocks_for(end);
  batch.slices.push_back({.request_id = sequence.id,
                          .position = sequence.computed,
                          .count = count,
                          .sample = end >= plan_.prompt,
                          .blocks = {sequence.blocks.begin(), used}});
  sequence.computed = end;
}

std::unique_ptr<kernels::Device> BenchRunner::profiling_device(const config::NodeConfig& config) {
  auto device = std::make_unique<kernels::ProfilingDevice>(make_device(config));
  device_ = device.get();
  return device;
}

double BenchRunner::run(const messages::Batch& batch) {
  ++steps_;
  const auto start = std::chrono::steady_clock::now();
  engine_.run(batch);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double BenchRunner::prefill_seconds(messages::Batch first) {
  double seconds = 0.0;
  messages::Batch batch = std::move(first);
  auto room = static_cast<std::int32_t>(step_tokens_max_);
  for (Sequence& sequence : sequences_) {
    while (sequence.computed < plan_.prompt && !stop_()) {
      const std::int32_t count = std::min(room, plan_.prompt - sequence.computed);
      add_slice(sequence, count, batch);
      room -= count;
      if (room > 0) continue;
      seconds += run(std::exchange(batch, {}));
      room = static_cast<std::int32_t>(step_tokens_max_);
    }
  }
  return batch.slices.empty() ? seconds : seconds + run(batch);
}

double BenchRunner::decode_seconds() {
  double seconds = 0.0;
  for (std::int32_t i = 0; i < plan_.generate && !stop_(); ++i) {
    messages::Batch batch;
    for (Sequence& sequence : sequences_) add_slice(sequence, 1, batch);
    seconds += run(batch);
  }
  return seconds;
}

void BenchRunner::warm_up() {
  progress_.update("warming up");
  engine_.warm_cache();
  prefill_seconds(joining(1));
  if (stop_()) return;
  device_->start();
  decode_seconds();
  device_->stop();
  weights_ = device_->weights_read();
}

PhaseProfile BenchRunner::profiled(const std::function<double()>& phase) {
  const std::int32_t before = steps_;
  device_->start();
  const double seconds = phase();
  return {.seconds = seconds, .steps = steps_ - before, .ops = device_->stop()};
}

BenchProfile BenchRunner::profile(std::int32_t batch) {
  progress_.update("batch " + std::to_string(batch) + ": profile");
  messages::Batch first = joining(batch);
  BenchProfile profile;
  profile.prefill = profiled([&] { return prefill_seconds(std::move(first)); });
  if (!stop_()) profile.decode = profiled([&] { return decode_seconds(); });
  return profile;
}

BenchResult BenchRunner::measure(std::int32_t batch) {
  BenchResult result{.batch = batch, .prefill = {}, .decode = {}, .packed_read_share = {}};
  for (std::int32_t repeat = 1; repeat <= plan_.repeat; ++repeat) {
    const std::string place = "batch " + std::to_string(batch) + ", " + std::to_string(repeat) +
                              " of " + std::to_string(plan_.repeat) + ": ";
    progress_.update(place + "prefill");
    const double prefill = prefill_seconds(joining(batch));
    if (stop_()) break;
    progress_.update(place + "decode");
    const double decode = decode_seconds();
    if (stop_()) break;
    result.prefill.sorted.push_back(batch * plan_.prompt / prefill);
    result.decode.sorted.push_back(batch * plan_.generate / decode);
    if (batch > 1) continue;
    const double step = decode / plan_.generate;
    result.packed_read_share.sorted.push_back(read_seconds(weights_, device_->threads()) / step);
  }
  std::ranges::sort(result.packed_read_share.sorted);
  std::ranges::sort(result.prefill.sorted);
  std::ranges::sort(result.decode.sorted);
  return result;
}

}  // namespace troupe::apps

// Measures the engine alone: prefill with nothing beside it, decode with nothing but decode. The
// steps are made here and not by a Batcher, which would decode early streams beside late prompts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "actors/infer/engine.hpp"
#include "apps/loaded_model.hpp"
#include "apps/progress.hpp"
#include "config/node_config.hpp"
#include "kernels/profiling_device.hpp"

namespace troupe::apps {

struct BenchPlan {
  std::int32_t prompt = 512;   // tokens of each sequence before decoding
  std::int32_t generate = 64;  // decode steps of one measurement
  std::int32_t repeat = 3;     // measurements of each figure
  std::vector<std::int32_t> batches;

  // Tokens that a sequence grows to.
  std::int32_t context() const { return prompt + generate + 1; }
};

// Tokens per second over all sequences, sorted.
struct Rates {
  std::vector<double> sorted;

  double median() const;
};

struct BenchResult {
  std::int32_t batch = 0;
  Rates prefill;
  Rates decode;
  // Of one stream: the time that all threads need to read the layers' weights once where they lie,
  // over the time of a step; sorted. 1 would be a step that does nothing but read.
  Rates packed_read_share;
};

// Where the time of the steps went.
struct PhaseProfile {
  double seconds = 0.0;  // of whole steps: ops, sampling, bookkeeping
  std::int32_t steps = 0;
  std::vector<kernels::OpProfile> ops;
};

struct BenchProfile {
  PhaseProfile prefill;
  PhaseProfile decode;
};

// Throws config::UserError for a plan that the model's context or the memory limit cannot hold.
void check_plan(const BenchPlan& plan, const LoadedModel& model, const config::NodeConfig& config);

class BenchRunner {
 public:
  using Stop = std::function<bool()>;  // asked between steps

  // The plan was checked.
  BenchRunner(const LoadedModel& model,
              const config::NodeConfig& config,
              BenchPlan plan,
              Progress& progress,
              Stop stop);

  // A short run, so that weights are in memory and threads awake.
  void warm_up();

  // Each repeat computes `batch` prompts, in steps of as many tokens as the engine takes, and then
  // `generate` steps in which every sequence gets one token.
  BenchResult measure(std::int32_t batch);

  // The same work once more, with every op timed.
  BenchProfile profile(std::int32_t batch);

  const std::string& numerics_id() const { return engine_.numerics_id(); }

  const kernels::Device& device() const { return *device_; }

 private:
  struct Sequence {
    std::uint64_t id = 0;
    std::int32_t computed = 0;  // tokens that the cache holds
    std::vector<std::int32_t> blocks;
  };

  messages::Batch joining(std::int32_t batch);
  void add_slice(Sequence& sequence, std::int32_t count, messages::Batch& batch);
  double run(const messages::Batch& batch);
  PhaseProfile profiled(const std::function<double()>& phase);
  std::unique_ptr<kernels::Device> profiling_device(const config::NodeConfig& config);
  double prefill_seconds(messages::Batch first);
  double decode_seconds();

  BenchPlan plan_;
  Progress& progress_;  // hears what is being measured
  Stop stop_;
  kernels::ProfilingDevice* device_ = nullptr;       // the engine's
  std::vector<std::span<const std::byte>> weights_;  // that a decode step reads
  std::int32_t vocab_;
  std::uint32_t sequences_max_;
  std::uint32_t step_tokens_max_;
  actors::infer::Engine engine_;
  std::vector<Sequence> sequences_;
  std::uint64_t next_id_ = 1;
  std::int32_t steps_ = 0;  // of the engine
};

}  // namespace troupe::apps

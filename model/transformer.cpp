#include "model/transformer.hpp"

#include <cmath>
#include <utility>
#include <vector>

#include "config/check.hpp"
#include "model/grouped_file.hpp"
#include "model/key_centers.hpp"
#include "model/kv_cache.hpp"
#include "model/model_file.hpp"
#include "model/rope_frequencies.hpp"
#include "model/weights.hpp"

namespace troupe::model {
namespace {

// Goes up with any change of the kernels or of this file that changes bits.
constexpr int kKernelRevision = 8;

std::unique_ptr<LinearLayers> make_layers(const LayersSource& source,
                                          const WeightsOptions& options,
                                          InputObserver observer) {
  if (options.precision == Precision::kDefault) return make_packed_layers(source, options);
  if (options.precision == Precision::kExact && source.device.prefers_bf16())
    return make_bf16_layers(source, options);
  return make_plain_layers(source, options, std::move(observer));
}

}  // namespace

// Weights, and scratch for the largest step: forward() allocates nothing.
struct Transformer::State {
  State(const ModelFile& file,
        kernels::Device& device_to_use,
        std::int32_t tokens_max_to_hold,
        const WeightsOptions& options,
        InputObserver observer);

  float* take(std::int32_t floats_per_token);
  void fill_angles(std::int32_t end);
  void find_key_centers();
  const float* key_center(std::int32_t layer) const;

  // The parts of a step, in order.
  void load_tokens(std::span<const SequenceSlice> slices);
  void norm_heads(float* x, const float* weight, std::int32_t heads);
  void append_keys(std::int32_t layer, const kernels::KvPool& pool);
  void keep_wanted_rows(std::span<const SequenceSlice> slices);
  void attend(std::int32_t layer, const kernels::KvPool& pool);
  void head(std::span<float> logits);

  kernels::Device& device;
  Architecture architecture;
  Weights weights;
  bool calibrates;  // there is an observer
  std::unique_ptr<LinearLayers> layers;
  std::string numerics_id;
  std::int32_t tokens_max;
  kernels::KvType kv;
  std::vector<double> frequencies;  // [head_dim / 2], radians a position
  kernels::DeviceBuffer angles;     // float [2][context_max, head_dim]: see RopeAppend
  std::int32_t angles_filled = 0;   // positions
  kernels::DeviceBuffer centers;    // float [layers, kv_heads, head_dim]: see RopeAppend; or none

  // The step at hand.
  std::int32_t tokens = 0;  // rows of residual and q; fewer once the last layer's keys are written
  std::vector<kernels::AttentionSequence> sequences;
  std::vector<std::int32_t> ids;  // [tokens]

  kernels::DeviceBuffer scratch;
  std::size_t taken = 0;      // floats of scratch
  float* residual = nullptr;  // [tokens, hidden]
  AttentionInputs inputs;     // of one layer
  float* attended = nullptr;  // [tokens, heads, head_dim]
  float* cos = nullptr;       // [context_max, head_dim]
  float* sin = nullptr;       // [context_max, head_dim]
};

Transformer::State::State(const ModelFile& file,
                          kernels::Device& device_to_use,
                          std::int32_t tokens_max_to_hold,
                          const WeightsOptions& options,
                          InputObserver observer)
    : device(device_to_use),
      architecture(read_architecture(file)),
      weights(read_weights(file, architecture, device)),
      calibrates(observer != nullptr),
      layers(make_layers(
          {file, architecture, weights, device, tokens_max_to_hold}, options, std::move(observer))),
      numerics_id(layers->weights_id() + architecture_id(architecture) + "-" +
                  std::string(device.backend()) + "-r" + std::to_string(kKernelRevision) + "-" +
                  std::string(layers->mode()) + "-kv" + std::string(name_of(options.kv))),
      tokens_max(tokens_max_to_hold),
      kv(options.kv),
      frequencies(rope_frequencies(architecture)) {
  CHECK(tokens_max > 0, "a step holds at least one token");
  const Architecture& a = architecture;
  sequences.reserve(static_cast<std::size_t>(tokens_max));
  ids.reserve(static_cast<std::size_t>(tokens_max));
  const std::int32_t queries = a.heads * a.head_dim;
  const std::int32_t keys = a.kv_heads * a.head_dim;
  const std::int64_t per_token = a.hidden + 2LL * queries + 2LL * keys;
  constexpr std::int64_t kLines = 5 * 16;  // each of five arrays starts on a cache line
  const auto floats = static_cast<std::size_t>(per_token * tokens_max + kLines);
  scratch = device.allocate(floats * sizeof(float));
  residual = take(a.hidden);
  inputs = {take(queries), take(keys), take(keys)};
  attended = take(queries);
  const auto table = static_cast<std::size_t>(a.context_max) * static_cast<std::size_t>(a.head_dim);
  angles = device.allocate(2 * table * sizeof(float));
  cos = reinterpret_cast<float*>(angles.data());
  sin = cos + table;
  // A norm behind the bias leaves nothing of it in common to all keys.
  const bool centered = weights.layers.front().key_bias != nullptr && !a.query_key_norms;
  if (kv != kernels::KvType::kF32 && centered) find_key_centers();
}

float* Transformer::State::take(std::int32_t floats_per_token) {
  float* array = reinterpret_cast<float*>(scratch.data()) + taken;
  const std::size_t floats =
      static_cast<std::size_t>(floats_per_token) * static_cast<std::size_t>(tokens_max);
  taken += (floats + 15) / 16 * 16;
  CHECK(taken * sizeof(float) <= scratch.bytes(), "the sizes above add up to the scratch");
  return array;
}

// The angles of positions below `end`. They are computed when a position comes first: a context of
// 100,000 tokens would hold up the start for a second.
void Transformer::State::fill_angles(std::int32_t end) {
  const std::ptrdiff_t dims = architecture.head_dim;
  const std::ptrdiff_t half = dims / 2;
  const std::ptrdiff_t step = architecture.rope_interleaved ? 2 : 1;
  const std::ptrdiff_t partner = architecture.rope_interleaved ? 1 : half;
  const double length = architecture.rope_scaling.attention_factor;
  for (; angles_filled < end; ++angles_filled) {
    for (std::ptrdiff_t i = 0; i < half; ++i) {
      const double angle = angles_filled * frequencies[static_cast<std::size_t>(i)];
      const std::ptrdiff_t at = angles_filled * dims + i * step;
      cos[at] = cos[at + partner] = static_cast<float>(std::cos(angle) * length);
      sin[at + partner] = static_cast<float>(std::sin(angle) * length);
      sin[at] = -sin[at + partner];
    }
  }
}

// A key's bias, turned by its position, on average over a context of common length: all of it in
// the dimensions that turn slowly, where Qwen's biases are hundreds of times larger than what
// differs from key to key.
void Transformer::State::find_key_centers() {
  constexpr std::int32_t kPositions = 1024;
  const Architecture& a = architecture;
  std::vector<Turn> turns;
  for (const double frequency : frequencies)
    turns.push_back(a.rope_scaling.attention_factor * mean_turn(frequency, kPositions));
  const auto dims = static_cast<std::size_t>(a.head_dim);
  const std::size_t keys = static_cast<std::size_t>(a.kv_heads) * dims;
  centers = device.allocate(weights.layers.size() * keys * sizeof(float));
  std::vector<float> bias(keys);
  std::vector<float> center(keys);
  for (std::size_t layer = 0; layer < weights.layers.size(); ++layer) {
    const float* key_bias = weights.layers[layer].key_bias;
    if (key_bias == nullptr) continue;  // biases are optional in each layer
    device.copy_to_host(bias.data(), key_bias, keys * sizeof(float));
    for (std::size_t at = 0; at < keys; at += dims) {
      find_key_center(std::span<const float>(bias).subspan(at, dims),
                      turns,
                      a.rope_interleaved,
                      std::span(center).subspan(at, dims));
    }
    float* to = reinterpret_cast<float*>(centers.data()) + layer * keys;
    device.copy_to_device(to, center.data(), keys * sizeof(float));
  }
}

// Checks the slices, looks up embeddings, and prepares the angles of every position.
void Transformer::State::load_tokens(std::span<const SequenceSlice> slices) {
  sequences.clear();
  ids.clear();
  for (const SequenceSlice& slice : slices) {
    const auto count = static_cast<std::int32_t>(slice.tokens.size());
    const auto row = static_cast<std::int32_t>(ids.size());
    CHECK(count >= 1 && row + count <= tokens_max, "the batcher keeps a step within its bound");
    CHECK(slice.logit_rows >= 0 && slice.logit_rows <= count, "logits are of tokens in the slice");
    CHECK(slice.position >= 0 && slice.position + count <= architecture.context_max,
          "positions are within the model's context");
    CHECK(static_cast<std::int32_t>(slice.blocks.size()) >= blocks_for(slice.position + count),
          "blocks cover the sequence");
    fill_angles(slice.position + count);
    sequences.push_back({slice.blocks.data(), row, count, slice.position});
    for (const std::int32_t id : slice.tokens) {
      CHECK(id >= 0 && id < architecture.vocab, "ids were checked when the request came in");
      ids.push_back(id);
    }
  }
  tokens = static_cast<std::int32_t>(ids.size());
  const Matrix& table = weights.embedding;
  device.run(kernels::Embedding{.type = table.type,
                                .table = table.data,
                                .ids = ids.data(),
                                .out = residual,
                                .tokens = tokens,
                                .k = table.columns});
}

const float* Transformer::State::key_center(std::int32_t layer) const {
  if (centers.data() == nullptr) return nullptr;
  const std::ptrdiff_t keys = std::ptrdiff_t{architecture.kv_heads} * architecture.head_dim;
  return reinterpret_cast<const float*>(centers.data()) + layer * keys;
}

// Each head of x ([tokens, heads, head_dim]) by itself, in place.
void Transformer::State::norm_heads(float* x, const float* weight, std::int32_t heads) {
  device.run(kernels::RmsNorm{.x = x,
                              .weight = weight,
                              .y = x,
                              .rows = tokens * heads,
                              .k = architecture.head_dim,
                              .epsilon = architecture.norm_epsilon});
}

// Queries of the layer, and its keys and values into the cache.
void Transformer::State::append_keys(std::int32_t layer, const kernels::KvPool& pool) {
  const Architecture& a = architecture;
  layers->attention_inputs(layer, residual, tokens, inputs);
  if (a.query_key_norms) {
    const LayerWeights& w = weights.layers[static_cast<std::size_t>(layer)];
    norm_heads(inputs.q, w.query_norm, a.heads);
    norm_heads(inputs.k, w.key_norm, a.kv_heads);
  }
  device.run(kernels::RopeAppend{.pool = pool,
                                 .q = inputs.q,
                                 .k = inputs.k,
                                 .v = inputs.v,
                                 .cos = cos,
                                 .sin = sin,
                                 .key_center = key_center(layer),
                                 .sequences = sequences.data(),
                                 .count = static_cast<std::int32_t>(sequences.size()),
                                 .heads = a.heads,
                                 .spread = kernels::kv_spread(pool.type, a.head_dim),
                                 .interleaved = a.rope_interleaved});
}

// Rows whose logits nobody wants are done once the last layer has their keys and values: the others
// move to the front, and with them go their sequences.
void Transformer::State::keep_wanted_rows(std::span<const SequenceSlice> slices) {
  std::int32_t rows = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const kernels::AttentionSequence sequence = sequences[i];
    const std::int32_t wanted = slices[i].logit_rows;
    if (wanted == 0) continue;
    const std::int32_t skipped = sequence.tokens - wanted;
    const auto move = [&](float* x, std::int32_t width) {
      device.move(
          x + std::ptrdiff_t{rows} * width,
          x + std::ptrdiff_t{sequence.row + skipped} * width,
          static_cast<std::size_t>(wanted) * static_cast<std::size_t>(width) * sizeof(float));
    };
    if (rows != sequence.row + skipped) {
      move(residual, architecture.hidden);
      move(inputs.q, architecture.heads * architecture.head_dim);
    }
    sequences[kept++] = {sequence.blocks, rows, wanted, sequence.position + skipped};
    rows += wanted;
  }
  sequences.resize(kept);
  tokens = rows;
}

void Transformer::State::attend(std::int32_t layer, const kernels::KvPool& pool) {
  const Architecture& a = architecture;
  device.run(kernels::Attention{.pool = pool,
                                .q = inputs.q,
                                .out = attended,
                                .sequences = sequences.data(),
                                .count = static_cast<std::int32_t>(sequences.size()),
                                .heads = a.heads,
                                .scale = 1.0F / std::sqrt(static_cast<float>(a.head_dim))});
  layers->attention_output(layer, attended, tokens, residual);
}

void Transformer::State::head(std::span<float> logits) {
  const bool observed = calibrates && logits.empty();
  CHECK(observed || logits.size() == static_cast<std::size_t>(tokens) *
                                         static_cast<std::size_t>(architecture.vocab),
        "logits hold the wanted rows");
  if (tokens > 0) layers->head(residual, tokens, observed ? nullptr : logits.data());
}

Transformer::Transformer(const ModelFile& file,
                         kernels::Device& device,
                         std::int32_t tokens_per_step_max,
                         const WeightsOptions& options,
                         InputObserver observer)
    : state_(std::make_unique<State>(
          file, device, tokens_per_step_max, options, std::move(observer))) {}

Transformer::~Transformer() = default;

const Architecture& Transformer::architecture() const { return state_->architecture; }

const std::string& Transformer::numerics_id() const { return state_->numerics_id; }

void Transformer::forward(std::span<const SequenceSlice> slices,
                          KvCache& cache,
                          std::span<float> logits) {
  State& s = *state_;
  CHECK(cache.type() == s.kv, "numerics_id names the cache's type");
  for (const SequenceSlice& slice : slices) {
    for (const std::int32_t block : slice.blocks) {
      CHECK(block >= 0 && block < cache.blocks(), "blocks are the cache's own");
    }
  }
  s.load_tokens(slices);
  for (std::int32_t i = 0; i < s.architecture.layers; ++i) {
    s.append_keys(i, cache.layer(i));
    // An observer sees the inputs of all layers for all tokens.
    if (i + 1 == s.architecture.layers && !s.calibrates) s.keep_wanted_rows(slices);
    if (s.tokens == 0) break;
    s.attend(i, cache.layer(i));
    s.layers->feed_forward(i, s.tokens, s.residual);
  }
  if (s.calibrates) s.keep_wanted_rows(slices);
  s.head(logits);
  s.device.synchronize();
}

}  // namespace troupe::model

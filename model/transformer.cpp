#include "model/transformer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "model/calibration.hpp"
#include "model/checksum.hpp"
#include "model/gguf.hpp"
#include "model/grouped_file.hpp"
#include "model/kv_cache.hpp"
#include "model/packed_weights.hpp"
#include "model/weights.hpp"

namespace troupe::model {
namespace {

// Goes up with any change of the kernels or of this file that changes bits.
constexpr int kKernelRevision = 1;

// One linear layer of a step. `packed` is set where the weights are int8.
struct Projection {
  const Matrix& matrix;
  const PackedMatrix* packed;
  float* y;  // [rows, matrix.rows]
  const float* bias = nullptr;
  bool accumulate = false;
};

constexpr std::size_t kProjectionsMax = 3;  // query, key, value

std::optional<PackedWeights> packed_weights(const GgufFile& file,
                                            const Architecture& architecture,
                                            const Weights& weights,
                                            kernels::Device& device,
                                            const WeightsOptions& options) {
  if (options.precision != Precision::kDefault) return std::nullopt;
  return open_packed_weights(file, architecture, weights, device, options);
}

}  // namespace

// Weights, and scratch for the largest step: forward() allocates nothing.
struct Transformer::State {
  State(const GgufFile& file,
        kernels::Device& device_to_use,
        std::int32_t tokens_max_to_hold,
        const WeightsOptions& options);

  void take_quantized();
  float* take(std::int32_t floats_per_token);

  // The parts of a step, in order.
  void load_tokens(std::span<const SequenceSlice> slices);
  void attention_block(std::int32_t layer, const kernels::KvPool& pool);
  void feed_forward_block(std::int32_t layer);
  void head(std::span<const SequenceSlice> slices, std::span<float> logits);
  void rotate(float* heads, std::int32_t count) const;
  void norm(const float* in, const float* weight, std::int32_t rows, float* out) const;
  void project(std::int32_t site,
               const float* x,
               std::int32_t rows,
               std::initializer_list<Projection> projections);

  // What smoothing changed: the packed form of a part of a layer, or the file's own.
  const PackedMatrix* packed_matrix(std::int32_t layer, PackedMatrix PackedLayer::*matrix) const;
  const float* packed_or(std::int32_t layer,
                         std::size_t PackedLayer::*vector,
                         const float* own) const;

  kernels::Device& device;
  Architecture architecture;
  Weights weights;
  std::optional<PackedWeights> packed;
  std::shared_ptr<const PackedStorage> grouped;
  std::string numerics_id;
  std::int32_t tokens_max;
  InputObserver observer;
  std::vector<double> frequencies;  // [head_dim / 2], radians a position

  // The step at hand.
  std::int32_t tokens = 0;
  std::vector<kernels::AttentionSequence> sequences;
  std::vector<std::int32_t> ids;  // [tokens]

  kernels::DeviceBuffer quantized;         // of a layer's input: int8 [padded rows, padded k]
  kernels::DeviceBuffer quantized_scales;  // float [tokens]
  kernels::DeviceBuffer scratch;
  std::size_t taken = 0;      // floats of scratch
  float* residual = nullptr;  // [tokens, hidden]
  float* normed = nullptr;    // [tokens, hidden]
  float* q = nullptr;         // [tokens, heads, head_dim]
  float* k = nullptr;         // [tokens, kv_heads, head_dim]
  float* v = nullptr;         // [tokens, kv_heads, head_dim]
  float* attended = nullptr;  // [tokens, heads, head_dim]
  float* gate = nullptr;      // [tokens, feed_forward]
  float* up = nullptr;        // [tokens, feed_forward]
  float* cos = nullptr;       // [tokens, head_dim / 2]
  float* sin = nullptr;       // [tokens, head_dim / 2]
};

Transformer::State::State(const GgufFile& file,
                          kernels::Device& device_to_use,
                          std::int32_t tokens_max_to_hold,
                          const WeightsOptions& options)
    : device(device_to_use),
      architecture(read_architecture(file)),
      weights(read_weights(file, architecture, device)),
      packed(packed_weights(file, architecture, weights, device, options)),
      grouped(open_grouped_weights(file, weights, device, options)),
      numerics_id((packed    ? packed->hash()
                   : grouped ? hexadecimal(grouped->checksum())
                             : weights_fingerprint(file)) +
                  "-" + std::string(device.backend()) + "-r" + std::to_string(kKernelRevision) +
                  (packed    ? "-int8"
                   : grouped ? "-q4"
                             : "-fp32")),
      tokens_max(tokens_max_to_hold) {
  CHECK(tokens_max > 0, "a step holds at least one token");
  const Architecture& a = architecture;
  for (std::int32_t i = 0; i < a.head_dim / 2; ++i) {
    frequencies.push_back(std::pow(static_cast<double>(a.rope_base), -2.0 * i / a.head_dim));
  }
  sequences.reserve(static_cast<std::size_t>(tokens_max));
  ids.reserve(static_cast<std::size_t>(tokens_max));
  const std::int32_t queries = a.heads * a.head_dim;
  const std::int32_t keys = a.kv_heads * a.head_dim;
  const std::int64_t per_token =
      2LL * a.hidden + 2LL * queries + 2LL * keys + 2LL * a.feed_forward + a.head_dim;
  constexpr std::int64_t kLines = 10 * 16;  // each of ten arrays starts on a cache line
  const auto floats = static_cast<std::size_t>(per_token * tokens_max + kLines);
  scratch = device.allocate(floats * sizeof(float));
  residual = take(a.hidden);
  normed = take(a.hidden);
  q = take(queries);
  k = take(keys);
  v = take(keys);
  attended = take(queries);
  gate = take(a.feed_forward);
  up = take(a.feed_forward);
  cos = take(a.head_dim / 2);
  sin = take(a.head_dim / 2);
  if (packed) take_quantized();
}

void Transformer::State::take_quantized() {
  const Architecture& a = architecture;
  const std::int32_t widest = std::max({a.hidden, a.heads * a.head_dim, a.feed_forward});
  const auto rows = static_cast<std::size_t>(kernels::int8_padded_rows(tokens_max));
  quantized = device.allocate(rows * static_cast<std::size_t>(kernels::int8_padded_k(widest)));
  quantized_scales = device.allocate(rows * sizeof(float));
}

const PackedMatrix* Transformer::State::packed_matrix(std::int32_t layer,
                                                      PackedMatrix PackedLayer::*matrix) const {
  if (!packed) return nullptr;
  return &(packed->layout().layers[static_cast<std::size_t>(layer)].*matrix);
}

const float* Transformer::State::packed_or(std::int32_t layer,
                                           std::size_t PackedLayer::*vector,
                                           const float* own) const {
  if (!packed || own == nullptr) return own;
  return packed->floats(packed->layout().layers[static_cast<std::size_t>(layer)].*vector);
}

float* Transformer::State::take(std::int32_t floats_per_token) {
  float* array = reinterpret_cast<float*>(scratch.data()) + taken;
  const std::size_t floats =
      static_cast<std::size_t>(floats_per_token) * static_cast<std::size_t>(tokens_max);
  taken += (floats + 15) / 16 * 16;
  CHECK(taken * sizeof(float) <= scratch.bytes(), "the sizes above add up to the scratch");
  return array;
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
    CHECK(slice.position >= 0 &&
              static_cast<std::int32_t>(slice.blocks.size()) >= blocks_for(slice.position + count),
          "blocks cover the sequence");
    sequences.push_back({slice.blocks.data(), row, count, slice.position});
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t id = slice.tokens[static_cast<std::size_t>(i)];
      CHECK(id >= 0 && id < architecture.vocab, "ids were checked when the request came in");
      ids.push_back(id);
      const std::size_t half = frequencies.size();
      for (std::size_t j = 0; j < half; ++j) {
        const double angle = (slice.position + i) * frequencies[j];
        const std::size_t at = static_cast<std::size_t>(row + i) * half + j;
        cos[at] = static_cast<float>(std::cos(angle));
        sin[at] = static_cast<float>(std::sin(angle));
      }
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

void Transformer::State::norm(const float* in,
                              const float* weight,
                              std::int32_t rows,
                              float* out) const {
  device.run(kernels::RmsNorm{.x = in,
                              .weight = weight,
                              .y = out,
                              .rows = rows,
                              .k = architecture.hidden,
                              .epsilon = architecture.norm_epsilon});
}

void Transformer::State::rotate(float* heads, std::int32_t count) const {
  device.run(kernels::Rope{.x = heads,
                           .cos = cos,
                           .sin = sin,
                           .tokens = tokens,
                           .heads = count,
                           .head_dim = architecture.head_dim,
                           .interleaved = architecture.rope_interleaved});
}

// y = x · Wᵀ for layers that read the same x; in int8 it is rounded once for all of them.
void Transformer::State::project(std::int32_t site,
                                 const float* x,
                                 std::int32_t rows,
                                 std::initializer_list<Projection> projections) {
  const std::int32_t width = projections.begin()->matrix.columns;
  if (observer) observer(site, x, rows, width);
  std::array<kernels::Linear, kProjectionsMax> plain;
  std::array<kernels::Int8Linear, kProjectionsMax> int8;
  std::array<kernels::GroupedLinear, kProjectionsMax> in_groups;
  auto* x8 = reinterpret_cast<std::int8_t*>(quantized.data());
  auto* scales = reinterpret_cast<float*>(quantized_scales.data());
  std::size_t count = 0;
  for (const Projection& p : projections) {
    if (packed) {
      int8[count++] = {.weights = packed->matrix(*p.packed),
                       .x = x8,
                       .x_scale = scales,
                       .bias = p.bias,
                       .y = p.y,
                       .rows = rows,
                       .accumulate = p.accumulate};
    } else if (grouped) {
      in_groups[count++] = {.weights = p.matrix.grouped,
                            .x = x,
                            .bias = p.bias,
                            .y = p.y,
                            .rows = rows,
                            .accumulate = p.accumulate};
    } else {
      plain[count++] = {.type = p.matrix.type,
                        .weights = p.matrix.data,
                        .x = x,
                        .bias = p.bias,
                        .y = p.y,
                        .rows = rows,
                        .k = width,
                        .n = p.matrix.rows,
                        .accumulate = p.accumulate};
    }
  }
  if (grouped) return device.run(std::span<const kernels::GroupedLinear>(in_groups).first(count));
  if (!packed) return device.run(std::span(plain).first(count));
  device.run(kernels::Quantize{.x = x, .q = x8, .scale = scales, .rows = rows, .k = width});
  device.run(std::span(int8).first(count));
}

void Transformer::State::attention_block(std::int32_t layer, const kernels::KvPool& pool) {
  const LayerWeights& w = weights.layers[static_cast<std::size_t>(layer)];
  norm(residual, packed_or(layer, &PackedLayer::attention_norm, w.attention_norm), tokens, normed);
  project(input_site(layer, Input::kAttention),
          normed,
          tokens,
          {{w.query, packed_matrix(layer, &PackedLayer::query), q, w.query_bias},
           {w.key, packed_matrix(layer, &PackedLayer::key), k, w.key_bias},
           {w.value,
            packed_matrix(layer, &PackedLayer::value),
            v,
            packed_or(layer, &PackedLayer::value_bias, w.value_bias)}});
  rotate(q, architecture.heads);
  rotate(k, architecture.kv_heads);
  const auto count = static_cast<std::int32_t>(sequences.size());
  device.run(kernels::KvAppend{
      .pool = pool, .k = k, .v = v, .sequences = sequences.data(), .count = count});
  device.run(
      kernels::Attention{.pool = pool,
                         .q = q,
                         .out = attended,
                         .sequences = sequences.data(),
                         .count = count,
                         .heads = architecture.heads,
                         .scale = 1.0F / std::sqrt(static_cast<float>(architecture.head_dim))});
  project(input_site(layer, Input::kAttentionOutput),
          attended,
          tokens,
          {{w.attention_output,
            packed_matrix(layer, &PackedLayer::attention_output),
            residual,
            w.attention_output_bias,
            true}});
}

void Transformer::State::feed_forward_block(std::int32_t layer) {
  const LayerWeights& w = weights.layers[static_cast<std::size_t>(layer)];
  norm(residual,
       packed_or(layer, &PackedLayer::feed_forward_norm, w.feed_forward_norm),
       tokens,
       normed);
  project(input_site(layer, Input::kFeedForward),
          normed,
          tokens,
          {{w.gate, packed_matrix(layer, &PackedLayer::gate), gate},
           {w.up, packed_matrix(layer, &PackedLayer::up), up}});
  device.run(kernels::SiluMul{.gate = gate,
                              .up = up,
                              .out = gate,
                              .values = std::int64_t{tokens} * architecture.feed_forward});
  project(input_site(layer, Input::kDown),
          gate,
          tokens,
          {{w.down, packed_matrix(layer, &PackedLayer::down), residual, nullptr, true}});
}

// The wanted rows are normed into consecutive rows, so that the head is one layer over just those.
void Transformer::State::head(std::span<const SequenceSlice> slices, std::span<float> logits) {
  std::int32_t rows = 0;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const std::int32_t wanted = slices[i].logit_rows;
    if (wanted == 0) continue;
    const std::ptrdiff_t first = sequences[i].row + sequences[i].tokens - wanted;
    norm(residual + first * architecture.hidden,
         packed ? packed->floats(packed->layout().output_norm) : weights.output_norm,
         wanted,
         normed + std::ptrdiff_t{rows} * architecture.hidden);
    rows += wanted;
  }
  const std::int32_t site = input_site(architecture.layers, Input{});
  if (observer && logits.empty()) return observer(site, normed, rows, architecture.hidden);
  CHECK(logits.size() ==
            static_cast<std::size_t>(rows) * static_cast<std::size_t>(architecture.vocab),
        "logits hold the wanted rows");
  if (rows == 0) return;
  project(site,
          normed,
          rows,
          {{weights.head, packed ? &packed->layout().head : nullptr, logits.data()}});
}

Transformer::Transformer(const GgufFile& file,
                         kernels::Device& device,
                         std::int32_t tokens_per_step_max,
                         const WeightsOptions& options)
    : state_(std::make_unique<State>(file, device, tokens_per_step_max, options)) {}

Transformer::~Transformer() = default;

const Architecture& Transformer::architecture() const { return state_->architecture; }

const std::string& Transformer::numerics_id() const { return state_->numerics_id; }

void Transformer::observe_inputs(InputObserver observer) { state_->observer = std::move(observer); }

void Transformer::forward(std::span<const SequenceSlice> slices,
                          KvCache& cache,
                          std::span<float> logits) {
  State& s = *state_;
  for (const SequenceSlice& slice : slices) {
    for (const std::int32_t block : slice.blocks) {
      CHECK(block >= 0 && block < cache.blocks(), "blocks are the cache's own");
    }
  }
  s.load_tokens(slices);
  for (std::int32_t i = 0; i < s.architecture.layers; ++i) {
    s.attention_block(i, cache.layer(i));
    s.feed_forward_block(i);
  }
  s.head(slices, logits);
  s.device.synchronize();
}

}  // namespace troupe::model

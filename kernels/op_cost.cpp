#include "kernels/op_cost.hpp"

namespace troupe::kernels {
namespace {

std::uint64_t product(std::int64_t a, std::int64_t b, std::int64_t c = 1) {
  return static_cast<std::uint64_t>(a * b * c);
}

std::span<const std::byte> bytes_at(const void* data, std::uint64_t bytes) {
  if (data == nullptr) return {};
  return {static_cast<const std::byte*>(data), bytes};
}

// A matrix of rows of whole blocks, as it lies in a model file.
std::span<const std::byte> file_matrix(TensorType type,
                                       const std::byte* data,
                                       std::int32_t n,
                                       std::int32_t k) {
  return bytes_at(data, row_bytes(type, k) * product(n, 1));
}

OpCost elementwise(std::string_view name, std::uint64_t values, int bytes_each, int ops_each) {
  return {.name = name,
          .cache_bytes = values * static_cast<std::uint64_t>(bytes_each),
          .operations = values * static_cast<std::uint64_t>(ops_each)};
}

std::int64_t tokens_of(const AttentionSequence* sequences, std::int32_t count) {
  std::int64_t tokens = 0;
  for (std::int32_t i = 0; i < count; ++i) tokens += sequences[i].tokens;
  return tokens;
}

}  // namespace

OpCost cost_of(const Linear& op) {
  const auto weights = file_matrix(op.type, op.weights, op.n, op.k);
  return {.name = "linear",
          .k = op.k,
          .n = op.n,
          .memory_bytes = weights.size(),
          .cache_bytes = product(op.rows, op.k + op.n, sizeof(float)),
          .operations = 2 * product(op.rows, op.n, op.k),
          .arithmetic = Arithmetic::kFp32,
          .weights = {weights}};
}

// The scales and sums of the columns (8 bytes each) are counted with the weights.
OpCost cost_of(const Int8Linear& op) {
  const std::int32_t padded_n = int8_padded_n(op.weights.n);
  const std::int32_t padded_k = int8_padded_k(op.weights.k);
  const auto weights = bytes_at(op.weights.tiles, product(padded_n, padded_k));
  // A gate and its `up` become one BF16: two columns, two bytes.
  const std::int64_t output_bytes = op.output == Int8Output::kSiluMul ? 1 : sizeof(float);
  return {.name = "int8_linear",
          .k = op.weights.k,
          .n = op.weights.n,
          .memory_bytes = weights.size() + product(padded_n, 8),
          .cache_bytes = product(op.rows, padded_k) + product(op.rows, op.weights.n, output_bytes),
          .operations = 2 * product(op.rows, op.weights.n, op.weights.k),
          .arithmetic = Arithmetic::kInt8,
          .weights = {weights}};
}

OpCost cost_of(const GroupedLinear& op) {
  const GroupedWeights& w = op.weights;
  const auto weights = bytes_at(w.blocks, grouped_bytes(w.bits, w.n, w.k));
  return {.name = w.bits == 4   ? "linear_4_bits"
                  : w.bits == 5 ? "linear_5_bits"
                                : "linear_8_bits",
          .k = w.k,
          .n = w.n,
          .memory_bytes = weights.size(),
          .cache_bytes = product(op.rows, w.k + w.n, sizeof(float)),
          .operations = 2 * product(op.rows, w.n, w.k),
          .arithmetic = Arithmetic::kGroupedInt8,
          .weights = {weights}};
}

OpCost cost_of(const Bf16Linear& op) {
  const auto weights = file_matrix(op.type, op.weights, op.n, op.k);
  const auto up = file_matrix(op.up_type, op.up, op.n, op.k);
  const std::int64_t matrices = up.empty() ? 1 : 2;
  return {.name = "bf16_linear",
          .k = op.k,
          .n = matrices * op.n,
          .memory_bytes = weights.size() + up.size(),
          .cache_bytes = product(op.rows, op.k, 2) + product(op.rows, op.n, up.empty() ? 4 : 2),
          .operations = 2 * product(op.rows, matrices * op.n, op.k),
          .arithmetic = Arithmetic::kBf16,
          .weights = {weights, up}};
}

OpCost cost_of(const Quantize& op) {
  const int bytes = op.gated != nullptr ? 3 : 5;
  return elementwise("quantize", product(op.rows, op.k), bytes, 8);
}

OpCost cost_of(const PackBf16& op) {
  return elementwise("pack_bf16", product(op.rows, op.k), 6, 5);
}

OpCost cost_of(const RmsNorm& op) { return elementwise("rms_norm", product(op.rows, op.k), 8, 4); }

OpCost cost_of(const SiluMul& op) {
  return elementwise("silu_mul", static_cast<std::uint64_t>(op.values), 12, 20);
}

OpCost cost_of(const Embedding& op) {
  return {.name = "embedding",
          .memory_bytes = row_bytes(op.type, op.k) * product(op.tokens, 1),
          .cache_bytes = product(op.tokens, op.k, sizeof(float))};
}

OpCost cost_of(const RopeAppend& op) {
  const std::int64_t tokens = tokens_of(op.sequences, op.count);
  const std::int64_t stored = tokens * 2 * op.pool.kv_heads * op.pool.head_dim;
  const std::int64_t turned = tokens * (op.heads + op.pool.kv_heads) * op.pool.head_dim;
  return {.name = "rope_append",
          .memory_bytes = static_cast<std::uint64_t>(stored) * kv_value_bytes(op.pool.type),
          .cache_bytes = product(turned, 20),
          .operations = product(turned, 6)};
}

// Each query of each head meets every key up to its own position: one product with the key, one
// with the value. The blocks of a sequence are counted once, though tiles of queries share them
// through a cache.
OpCost cost_of(const Attention& op) {
  OpCost cost{.name = "attention",
              .arithmetic = op.pool.type == KvType::kF32 ? Arithmetic::kFp32 : Arithmetic::kBf16};
  for (std::int32_t i = 0; i < op.count; ++i) {
    const AttentionSequence& sequence = op.sequences[i];
    const std::int64_t last = sequence.position + sequence.tokens;  // keys that the last one sees
    const std::int64_t pairs =
        sequence.tokens * (sequence.position + 1 + last) / 2;  // arithmetic series
    cost.operations += 4 * product(pairs, op.heads, op.pool.head_dim);
    cost.memory_bytes += static_cast<std::uint64_t>((last + kKvBlockTokens - 1) / kKvBlockTokens) *
                         kv_block_bytes(op.pool.type, op.pool.kv_heads, op.pool.head_dim);
    cost.cache_bytes += 2 * product(sequence.tokens, op.heads, op.pool.head_dim) * sizeof(float);
  }
  return cost;
}

}  // namespace troupe::kernels

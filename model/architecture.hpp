// The shape of a decoder-only transformer, as the model file states it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::model {

class ModelFile;

// How the rotary embedding was stretched beyond the context that it was first trained for:
// docs/decisions/0019-rope-scalings.md.
enum class RopeScalingType { kNone, kLinear, kYarn, kDynamic };

struct RopeScaling {
  RopeScalingType type = RopeScalingType::kNone;
  double factor = 1.0;                // at least 1
  std::int32_t original_context = 0;  // tokens, before stretching
  double attention_factor = 1.0;      // of rotated queries and of rotated keys
  double beta_fast = 32.0;            // YaRN: pairs of more turns in the context stay as they are,
  double beta_slow = 1.0;             // those of fewer are stretched by all of the factor
  std::vector<float> divisors;        // [head_dim / 2] of the frequencies (Llama 3), or none
};

struct Architecture {
  std::string family;        // llama, qwen2, qwen3
  std::string display_name;  // general.name, or the file's stem
  std::int32_t layers = 0;
  std::int32_t hidden = 0;  // d, width of the residual stream
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;  // divides heads
  std::int32_t head_dim = 0;
  std::int32_t feed_forward = 0;
  std::int32_t vocab = 0;
  std::int32_t context_max = 0;  // tokens the model was trained or stretched for
  float rope_base = 10000.0F;
  bool rope_interleaved = false;  // pairs are (0, 1), (2, 3), … as llama GGUF files order them
  RopeScaling rope_scaling;
  bool query_key_norms = false;  // each head of queries and keys is normed before it is turned
  float norm_epsilon = 1e-5F;
};

// Throws config::UserError naming the file, the key, and what is supported.
Architecture read_architecture(const ModelFile& file);

}  // namespace troupe::model

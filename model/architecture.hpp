// The shape of a decoder-only transformer, as the model file states it.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::model {

class GgufFile;

struct Architecture {
  std::string family;        // llama, qwen2
  std::string display_name;  // general.name, or the file's stem
  std::int32_t layers = 0;
  std::int32_t hidden = 0;  // d, width of the residual stream
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;  // divides heads
  std::int32_t head_dim = 0;
  std::int32_t feed_forward = 0;
  std::int32_t vocab = 0;
  std::int32_t context_max = 0;  // tokens the model was trained for
  float rope_base = 10000.0F;
  bool rope_interleaved = false;  // pairs are (0, 1), (2, 3), … as llama GGUF files order them
  float norm_epsilon = 1e-5F;
};

// Throws config::UserError naming the file, the key, and what is supported.
Architecture read_architecture(const GgufFile& file);

}  // namespace troupe::model

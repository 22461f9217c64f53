// What can be said of a model file without running it: sizes and a memory plan.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "model/architecture.hpp"
#include "model/model_file.hpp"

namespace troupe::apps {

struct TensorTypeFacts {
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
};

struct ModelFacts {
  std::uint64_t file_bytes = 0;
  std::uint64_t parameters = 0;
  std::uint64_t weight_bytes = 0;
  std::map<std::string, TensorTypeFacts> tensor_types;
  std::uint64_t kv_bytes_per_token = 0;
  std::uint64_t kv_bytes_full_context = 0;  // of one sequence
  std::uint64_t scratch_bytes = 0;          // estimate, for steps of the default size
};

ModelFacts model_facts(const model::ModelFile& file, const model::Architecture& architecture);

// Bytes of activations that a step of so many tokens takes, and of what each thread keeps to
// itself, without logits: an estimate from above. `threads` 0: one a core.
std::uint64_t scratch_bytes(const model::Architecture& architecture,
                            std::uint32_t step_tokens,
                            std::uint32_t threads);

}  // namespace troupe::apps

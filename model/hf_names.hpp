// The names that Hugging Face's Llama, Mistral, Qwen2 and Qwen3 give to tensors, as GGUF has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::model {

// GGUF's name of a tensor; empty text for one that is computed and not needed; nothing when it is
// not known. Layers from `layers` on are not known.
std::optional<std::string> gguf_tensor_name(std::string_view name, std::uint64_t layers);

}  // namespace troupe::model

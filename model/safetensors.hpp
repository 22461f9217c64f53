// The directory of a safetensors file: names, types, shapes and bytes of its tensors.
// Format: github.com/huggingface/safetensors#format
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe::model {

struct SafeTensor {
  std::string name;
  std::string dtype;                 // as the file has it: BF16, F16, F32, I64, …
  std::vector<std::uint64_t> shape;  // outermost first, as the file has it
  std::span<const std::byte> data;   // inside the bytes that were read
};

// In the order of their data. `name` stands in error lines. Throws config::UserError for whatever
// is wrong; never reads outside `bytes`.
std::vector<SafeTensor> read_safetensors(std::span<const std::byte> bytes, const std::string& name);

}  // namespace troupe::model

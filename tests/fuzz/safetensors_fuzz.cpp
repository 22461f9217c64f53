// A safetensors file of any bytes: its directory is read, or it is refused with a UserError. The
// tensors of one that is read share the data without overlap or gap.
#include <cstddef>
#include <cstdint>
#include <span>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "model/hf_names.hpp"
#include "model/safetensors.hpp"

using namespace troupe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kLayers = 2;
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const std::byte* end = nullptr;
    for (const model::SafeTensor& tensor : model::read_safetensors(bytes, "fuzz.safetensors")) {
      CHECK(end == nullptr || tensor.data.data() == end, "tensors follow each other");
      end = tensor.data.data() + tensor.data.size();
      CHECK(end <= bytes.data() + bytes.size(), "tensors lie in the file");
      model::gguf_tensor_name(tensor.name, kLayers);
    }
    CHECK(end == nullptr || end == bytes.data() + bytes.size(), "tensors fill the file");
  } catch (const config::UserError&) {
  }
  return 0;
}

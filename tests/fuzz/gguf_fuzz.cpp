// A model file of any bytes: its directory, architecture, tokenizer, template and weights are read,
// or it is refused with a UserError.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "model/architecture.hpp"
#include "model/chat_template.hpp"
#include "model/model_file.hpp"
#include "model/rope_frequencies.hpp"
#include "model/tokenizer.hpp"
#include "model/weights.hpp"
#include "tests/fuzz/memory_device.hpp"

using namespace troupe;

namespace {

// One reader's refusal keeps none of the others from reading.
template <class Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const config::UserError&) {
  }
}

void read_model(const model::ModelFile& file) {
  read_or_refuse([&] {
    const model::Tokenizer tokenizer(file);
    tokenizer.decode(tokenizer.encode("Hi there, 12 <s>\n", model::SpecialTokens::kParse));
  });
  read_or_refuse([&] { const model::ChatTemplate chat_template(file); });
  read_or_refuse([&] {
    for (const double speed : model::rope_frequencies(model::read_architecture(file)))
      CHECK(std::isfinite(speed), "every pair of a head turns at some speed");
  });
  read_or_refuse([&] {
    fuzz::MemoryDevice device;
    model::read_weights(file, model::read_architecture(file), device);
    model::weights_fingerprint(file);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_or_refuse([&] {
    read_model(model::ModelFile::parse(std::as_bytes(std::span(data, size)), "fuzz.gguf"));
  });
  return 0;
}

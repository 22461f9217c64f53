// A model of up to four GGUF files, each after its length in two bytes: they are joined, or refused
// with a UserError. The tensors of one that is joined are those that its parts promise.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "model/gguf_parts.hpp"
#include "model/gguf_reader.hpp"

using namespace troupe;

namespace {

constexpr std::size_t kPartsMax = 4;

// The next file, cut off where the input is; `rest` begins after it.
std::span<const std::byte> take_file(std::span<const std::byte>& rest) {
  std::uint16_t length = 0;
  std::memcpy(&length, rest.data(), std::min(sizeof length, rest.size()));
  rest = rest.subspan(std::min(sizeof length, rest.size()));
  const auto file = rest.first(std::min<std::size_t>(length, rest.size()));
  rest = rest.subspan(file.size());
  return file;
}

// As ModelFile::open does: any part may be named, and says what the others are called.
void join(std::span<const std::byte> rest) {
  std::vector<std::span<const std::byte>> files;
  while (!rest.empty() && files.size() < kPartsMax) files.push_back(take_file(rest));
  const std::string ending = "-of-0000" + std::to_string(files.size()) + ".gguf";
  std::vector<model::GgufContents> parts;
  std::vector<std::string> names;
  for (const std::span<const std::byte> file : files) {
    names.push_back("m-0000" + std::to_string(names.size() + 1) + ending);
    parts.push_back(model::read_gguf(file, names.back()));
  }
  if (parts.empty()) return;
  const std::vector<std::string> all =
      model::part_names(parts.back().metadata, names.back(), names.back());
  CHECK(std::ranges::find(all, names.back()) != all.end(), "a file is a part of its own model");
  const model::GgufContents joined = model::join_parts(std::move(parts), names);
  const auto not_before = [](const model::TensorInfo& a, const model::TensorInfo& b) {
    return a.name >= b.name;
  };
  CHECK(std::ranges::adjacent_find(joined.tensors, not_before) == joined.tensors.end(),
        "tensors are sorted, and no name occurs twice");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    join(std::as_bytes(std::span(data, size)));
  } catch (const config::UserError&) {
  }
  return 0;
}

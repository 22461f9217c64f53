// A model, mapped read-only: metadata, tensor directory, and views of the tensors' bytes. It lies
// in GGUF (v2 or v3, one file or several parts) or in a folder of Hugging Face's, whose names and
// keys become GGUF's.
// Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/tensor_type.hpp"

namespace troupe::model {

// One metadata value. Arrays are homogeneous in the format, so each element type has a vector.
using MetadataValue = std::variant<std::uint64_t,
                                   std::int64_t,
                                   double,
                                   bool,
                                   std::string,
                                   std::vector<std::uint64_t>,
                                   std::vector<std::int64_t>,
                                   std::vector<double>,
                                   std::vector<bool>,
                                   std::vector<std::string>>;

struct TensorInfo {
  std::string name;
  kernels::TensorType type = kernels::TensorType::kF32;
  std::vector<std::uint64_t> shape;  // innermost first, as the file has it: {columns, rows, …}
  std::span<const std::byte> data;   // inside the mapping
};

// One file of a model.
struct MappedPart {
  std::string name;                  // its path
  std::span<const std::byte> bytes;  // the mapping
};

struct GgufContents;
class MappedFile;
class OpenPath;

class ModelFile {
 public:
  // Maps and checks the whole directory; every offset and count is held against the file's size.
  // Of a model in parts any one may be named. A link is followed once: what it led to is checked.
  // A folder of Hugging Face's (hf_folder.hpp) becomes what the GGUF file of its model would be.
  // Throws config::UserError with file, field and remedy.
  static ModelFile open(const std::filesystem::path& path);

  // As `open`, on bytes that the caller keeps alive (tests and fuzzing).
  static ModelFile parse(std::span<const std::byte> bytes, const std::string& name);

  const std::string& name() const;   // the path, of the first part, for messages
  std::uint64_t size_bytes() const;  // of all parts

  // The files that the model lies in, in order; none when parsed from the caller's bytes.
  std::vector<MappedPart> parts() const;

  // Of all parts (mapped_file.hpp): the same stamp, the same bytes. Zero: nobody can tell.
  std::uint64_t stamp() const;

  // Gives back the memory of what was read so far; it is mapped again when it is read again.
  void let_go() const;

  const std::map<std::string, MetadataValue, std::less<>>& metadata() const;
  const std::vector<TensorInfo>& tensors() const;

  // nullptr when there is none of that name. Its type may be one that we cannot read; its data are
  // empty then.
  const TensorInfo* find_tensor(std::string_view name) const;

  // Throws config::UserError naming the file and the tensor, also for a type that is not supported.
  const TensorInfo& tensor(std::string_view name) const;

  // Typed access: empty when absent; throws config::UserError when present with another type.
  // Any integer width and either sign is accepted for the integer calls when the value fits.
  std::optional<std::uint64_t> find_uint(std::string_view key) const;
  std::optional<double> find_float(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  const std::vector<std::string>* find_strings(std::string_view key) const;

  // As above, but absence is a config::UserError too.
  std::uint64_t require_uint(std::string_view key) const;
  double require_float(std::string_view key) const;
  std::string_view require_string(std::string_view key) const;

 private:
  static ModelFile open_folder(const OpenPath& folder);
  static ModelFile open_parts(const OpenPath& opened);
  void take(GgufContents contents);

  std::vector<std::shared_ptr<const MappedFile>> parts_;  // none when parsed from bytes
  std::shared_ptr<const std::vector<float>> computed_;    // of a tensor that no file has, or null
  std::string name_;
  std::uint64_t size_bytes_ = 0;
  std::map<std::string, MetadataValue, std::less<>> metadata_;
  std::vector<TensorInfo> tensors_;  // sorted by name
};

}  // namespace troupe::model

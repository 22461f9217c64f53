#include "model/model_file.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "config/user_error.hpp"
#include "model/checksum.hpp"
#include "model/gguf_parts.hpp"
#include "model/gguf_reader.hpp"
#include "model/hf_folder.hpp"
#include "model/mapped_file.hpp"

namespace troupe::model {
namespace {

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw config::UserError(file + ": " + problem);
}

std::string_view type_of(const MetadataValue& value) {
  constexpr std::string_view kNames[] = {"an unsigned integer",
                                         "an integer",
                                         "a float",
                                         "a bool",
                                         "a string",
                                         "an array of unsigned integers",
                                         "an array of integers",
                                         "an array of floats",
                                         "an array of bools",
                                         "an array of strings"};
  static_assert(std::size(kNames) == std::variant_size_v<MetadataValue>);
  return kNames[value.index()];
}

const MetadataValue* find(const ModelFile& file, std::string_view key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? nullptr : &found->second;
}

[[noreturn]] void fail_type(const ModelFile& file,
                            std::string_view key,
                            const MetadataValue& value,
                            const std::string& wanted) {
  fail(file.name(),
       "metadata " + in_quotes(key) + " is " + std::string(type_of(value)) + ", not " + wanted +
           ": convert the model again");
}

// The value of `key` as T; nullptr when absent.
template <typename T>
const T* find_as(const ModelFile& file, std::string_view key, const std::string& wanted) {
  const MetadataValue* value = find(file, key);
  if (value == nullptr) return nullptr;
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) fail_type(file, key, *value, wanted);
  return typed;
}

template <typename Found>
auto require(const ModelFile& file, std::string_view key, const Found& found) {
  if (!found) {
    fail(file.name(), "metadata " + in_quotes(key) + " is missing: convert the model again");
  }
  return *found;
}

}  // namespace

ModelFile ModelFile::open(const std::filesystem::path& path) {
  const OpenPath opened = OpenPath::open(path.string());
  return opened.is_folder() ? open_folder(opened) : open_parts(opened);
}

ModelFile ModelFile::open_folder(const OpenPath& folder) {
  HfContents contents = read_hf_folder(folder);
  ModelFile file;
  file.name_ = folder.name();
  for (const auto& shard : contents.shards) file.size_bytes_ += shard->bytes().size();
  file.parts_ = std::move(contents.shards);
  file.computed_ = std::move(contents.rope_factors);
  file.metadata_ = std::move(contents.metadata);
  file.tensors_ = std::move(contents.tensors);
  return file;
}

ModelFile ModelFile::open_parts(const OpenPath& opened) {
  const std::string& named = opened.name();
  const auto given = opened.map();
  GgufContents read = read_gguf(given->bytes(), named);
  const std::vector<std::string> names = part_names(read.metadata, named, opened.target());

  ModelFile file;
  std::vector<GgufContents> contents;
  for (const std::string& name : names) {
    const bool is_given = name == named;
    file.parts_.push_back(
        is_given ? given : OpenPath::open(name, "the model needs it; fetch all its parts").map());
    const std::span<const std::byte> bytes = file.parts_.back()->bytes();
    contents.push_back(is_given ? std::move(read) : read_gguf(bytes, name));
    file.size_bytes_ += bytes.size();
  }
  file.name_ = names.front();
  file.take(join_parts(std::move(contents), names));
  return file;
}

ModelFile ModelFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  ModelFile file;
  file.name_ = name;
  file.size_bytes_ = bytes.size();
  file.take(read_gguf(bytes, name));
  return file;
}

void ModelFile::take(GgufContents contents) {
  metadata_ = std::move(contents.metadata);
  tensors_ = std::move(contents.tensors);
}

const std::string& ModelFile::name() const { return name_; }

std::uint64_t ModelFile::size_bytes() const { return size_bytes_; }

std::vector<MappedPart> ModelFile::parts() const {
  std::vector<MappedPart> parts;
  for (const auto& part : parts_) parts.push_back({part->name(), part->bytes()});
  return parts;
}

std::uint64_t ModelFile::stamp() const {
  std::vector<std::uint64_t> stamps;
  for (const auto& part : parts_) stamps.push_back(part->stamp());
  if (stamps.empty() || std::ranges::count(stamps, 0U) > 0) return 0;
  return checksum(std::as_bytes(std::span(stamps)));
}

void ModelFile::let_go() const {
  for (const auto& part : parts_) part->let_go();
}

const std::map<std::string, MetadataValue, std::less<>>& ModelFile::metadata() const {
  return metadata_;
}

const std::vector<TensorInfo>& ModelFile::tensors() const { return tensors_; }

const TensorInfo* ModelFile::find_tensor(std::string_view name) const {
  const auto found = std::lower_bound(
      tensors_.begin(),
      tensors_.end(),
      name,
      [](const TensorInfo& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

const TensorInfo& ModelFile::tensor(std::string_view name) const {
  const TensorInfo* found = find_tensor(name);
  if (found == nullptr)
    fail(name_, "tensor " + in_quotes(name) + " is missing: convert the model again");
  if (kernels::block_shape(found->type).values == 0) {
    fail(name_,
         "tensor " + in_quotes(name) + " has type " + std::string(kernels::type_name(found->type)) +
             " (" + std::to_string(static_cast<std::uint32_t>(found->type)) +
             "), which is not supported: get the model in Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, "
             "Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, F16, BF16 or F32");
  }
  return *found;
}

std::optional<std::uint64_t> ModelFile::find_uint(std::string_view key) const {
  const MetadataValue* value = find(*this, key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<std::uint64_t>(value)) return *number;
  const auto* number = std::get_if<std::int64_t>(value);
  if (number == nullptr) fail_type(*this, key, *value, "an integer");
  if (*number < 0) {
    fail(name_,
         "metadata " + in_quotes(key) + " is negative (" + std::to_string(*number) +
             "): convert the model again");
  }
  return static_cast<std::uint64_t>(*number);
}

std::optional<double> ModelFile::find_float(std::string_view key) const {
  const auto* number = find_as<double>(*this, key, "a float");
  return number == nullptr ? std::nullopt : std::optional(*number);
}

std::optional<bool> ModelFile::find_bool(std::string_view key) const {
  const auto* flag = find_as<bool>(*this, key, "a bool");
  return flag == nullptr ? std::nullopt : std::optional(*flag);
}

std::optional<std::string_view> ModelFile::find_string(std::string_view key) const {
  const auto* text = find_as<std::string>(*this, key, "a string");
  return text == nullptr ? std::nullopt : std::optional<std::string_view>(*text);
}

const std::vector<std::string>* ModelFile::find_strings(std::string_view key) const {
  return find_as<std::vector<std::string>>(*this, key, "an array of strings");
}

std::uint64_t ModelFile::require_uint(std::string_view key) const {
  return require(*this, key, find_uint(key));
}

double ModelFile::require_float(std::string_view key) const {
  return require(*this, key, find_float(key));
}

std::string_view ModelFile::require_string(std::string_view key) const {
  return require(*this, key, find_string(key));
}

}  // namespace troupe::model

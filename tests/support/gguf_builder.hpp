// Builds GGUF files in memory: tiny models for tests, and broken files for readers that must refuse
// them. Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/tensor_type.hpp"
#include "model/byte_level.hpp"

namespace troupe::tests {

// Bytes as they lie in the file: little-endian numbers, strings with 64-bit lengths.
class GgufBytes {
 public:
  template <typename T>

  requires std::integral<T> || std::floating_point<T> GgufBytes& number(T value) {
    const std::size_t end = bytes_.size();
    bytes_.resize(end + sizeof(T));
    std::memcpy(bytes_.data() + end, &value, sizeof(T));
    return *this;
  }

  GgufBytes& text(std::string_view value) {
    const auto* begin = reinterpret_cast<const std::byte*>(value.data());
    bytes_.insert(bytes_.end(), begin, begin + value.size());
    return *this;
  }

  GgufBytes& string(std::string_view value) {
    return number<std::uint64_t>(value.size()).text(value);
  }

  GgufBytes& append(std::span<const std::byte> other) {
    bytes_.insert(bytes_.end(), other.begin(), other.end());
    return *this;
  }

  GgufBytes& pad_to(std::size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }

  std::size_t size() const { return bytes_.size(); }

  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// Everything that a test may want wrong can be set; left alone, the result is valid.
class GgufBuilder {
 public:
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;     // bytes; also written as general.alignment when it is not 32
  std::uint64_t extra_keys = 0;     // added to the count in the header
  std::uint64_t extra_tensors = 0;  // the same

  // The value types' numbers in the format.
  enum Type : std::uint32_t {
    kUint32 = 4,
    kInt32 = 5,
    kFloat32 = 6,
    kBool = 7,
    kString = 8,
    kArray = 9
  };

  // A value of any type number, with the bytes that follow it.
  GgufBuilder& raw(std::string_view key, std::uint32_t type, const GgufBytes& value) {
    metadata_.string(key).number(type).append(value.bytes());
    ++keys_;
    return *this;
  }

  GgufBuilder& uint32(std::string_view key, std::uint32_t value) {
    return raw(key, kUint32, GgufBytes().number(value));
  }

  GgufBuilder& float32(std::string_view key, float value) {
    return raw(key, kFloat32, GgufBytes().number(value));
  }

  GgufBuilder& boolean(std::string_view key, bool value) {
    return raw(key, kBool, GgufBytes().number<std::uint8_t>(value ? 1 : 0));
  }

  GgufBuilder& string(std::string_view key, std::string_view value) {
    return raw(key, kString, GgufBytes().string(value));
  }

  GgufBuilder& strings(std::string_view key, const std::vector<std::string>& values) {
    GgufBytes bytes =
        GgufBytes().number<std::uint32_t>(kString).number<std::uint64_t>(values.size());
    for (const std::string& value : values) bytes.string(value);
    return raw(key, kArray, bytes);
  }

  GgufBuilder& int32s(std::string_view key, const std::vector<std::int32_t>& values) {
    GgufBytes bytes =
        GgufBytes().number<std::uint32_t>(kInt32).number<std::uint64_t>(values.size());
    for (const std::int32_t value : values) bytes.number(value);
    return raw(key, kArray, bytes);
  }

  // `shape` innermost first; `data` as the type stores it.
  GgufBuilder& tensor(std::string_view name,
                      kernels::TensorType type,
                      const std::vector<std::uint64_t>& shape,
                      std::span<const std::byte> data) {
    data_.pad_to(alignment);
    return tensor_at(name, type, shape, data_.size(), data);
  }

  GgufBuilder& tensor_f32(std::string_view name,
                          const std::vector<std::uint64_t>& shape,
                          std::span<const float> values) {
    return tensor(name, kernels::TensorType::kF32, shape, std::as_bytes(values));
  }

  // As `tensor`, claiming that its data lie at `offset` of the data section.
  GgufBuilder& tensor_at(std::string_view name,
                         kernels::TensorType type,
                         const std::vector<std::uint64_t>& shape,
                         std::uint64_t offset,
                         std::span<const std::byte> data) {
    directory_.string(name).number(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t dimension : shape) directory_.number(dimension);
    directory_.number(static_cast<std::uint32_t>(type)).number(offset);
    data_.append(data);
    ++tensors_;
    return *this;
  }

  // A gpt-2 tokenizer of 256 byte tokens (id = byte), then `controls` as control tokens, no merges.
  // The first control token, if any, is the end token.
  GgufBuilder& byte_tokenizer(const std::vector<std::string>& controls) {
    std::vector<std::string> tokens;
    for (unsigned byte = 0; byte < 256; ++byte) {
      tokens.push_back(model::byte_level::name_of(static_cast<std::uint8_t>(byte)));
    }
    std::vector<std::int32_t> types(256, 1);
    for (const std::string& control : controls) {
      tokens.push_back(control);
      types.push_back(3);
    }
    string("tokenizer.ggml.model", "gpt2").string("tokenizer.ggml.pre", "gpt-2");
    strings("tokenizer.ggml.tokens", tokens).int32s("tokenizer.ggml.token_type", types);
    if (!controls.empty()) uint32("tokenizer.ggml.eos_token_id", 256);
    return strings("tokenizer.ggml.merges", {});
  }

  std::vector<std::byte> build() const {
    const bool says_alignment = alignment != 32;
    GgufBytes file;
    file.text(magic).number(version).number(tensors_ + extra_tensors);
    file.number(keys_ + extra_keys + (says_alignment ? 1 : 0)).append(metadata_.bytes());
    if (says_alignment) {
      file.string("general.alignment").number<std::uint32_t>(kUint32);
      file.number(static_cast<std::uint32_t>(alignment));
    }
    file.append(directory_.bytes()).pad_to(alignment).append(data_.bytes());
    return file.bytes();
  }

  void write(const std::filesystem::path& path) const {
    const std::vector<std::byte> bytes = build();
    std::ofstream file(path, std::ios::binary);
    file.exceptions(std::ios::failbit | std::ios::badbit);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

 private:
  GgufBytes metadata_;
  GgufBytes directory_;
  GgufBytes data_;
  std::uint64_t keys_ = 0;
  std::uint64_t tensors_ = 0;
};

}  // namespace troupe::tests

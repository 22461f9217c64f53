// Reads numbers and strings out of a GGUF file's bytes, and cannot leave them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "config/user_error.hpp"

namespace troupe::model {

static_assert(std::endian::native == std::endian::little, "GGUF values are copied as they lie");

// `text` in quotes, cut to a length for one line, with anything but printable ASCII shown as '?':
// file contents in an error message must not forge lines or drive a terminal.
inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 80;  // characters
  std::string result = "'";
  for (const char character : text.substr(0, kShown)) {
    const bool printable = character >= ' ' && character <= '~';
    result += printable ? character : '?';
  }
  return result + (text.size() > kShown ? "…'" : "'");
}

// Views the file and its name, which must outlive it. Every failure is a config::UserError of one
// line.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  std::uint64_t position() const { return position_; }

  std::uint64_t remaining() const { return bytes_.size() - position_; }

  [[noreturn]] void fail(const std::string& field, const std::string& problem) const {
    throw config::UserError(name_ + ": " + field + " " + problem);
  }

  // Fails unless `count` bytes follow.
  void expect(std::uint64_t count, const std::string& field) const {
    if (count > remaining()) {
      fail(field,
           "lies beyond the end of the file (" + std::to_string(bytes_.size()) +
               " bytes): the file is cut off or damaged; fetch it again");
    }
  }

  template <typename T>
  T number(const std::string& field) {
    static_assert(std::is_arithmetic_v<T>);
    expect(sizeof(T), field);
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  std::string_view string(const std::string& field, std::uint64_t bytes_max) {
    const auto length = number<std::uint64_t>(field);
    if (length > bytes_max) {
      fail(field,
           "claims a string of " + std::to_string(length) + " bytes where at most " +
               std::to_string(bytes_max) + " are accepted: the file is damaged; fetch it again");
    }
    expect(length, field);
    // Characters may alias any bytes.
    const auto* text = reinterpret_cast<const char*>(bytes_.data() + position_);
    position_ += length;
    return {text, length};
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::uint64_t position_ = 0;
};

}  // namespace troupe::model

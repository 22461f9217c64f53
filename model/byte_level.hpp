// GPT-2's printable names for bytes: a vocabulary stores each byte of a token as one visible
// character. Source: github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::model::byte_level {

// The UTF-8 text that stands for one byte in a vocabulary: "A" for 0x41, "Ġ" for a space.
std::string name_of(std::uint8_t byte);

// The bytes that a vocabulary's text stands for; nothing when a character of it names no byte.
std::optional<std::string> bytes_of(std::string_view text);

}  // namespace troupe::model::byte_level

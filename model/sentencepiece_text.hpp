// How SentencePiece writes text in a vocabulary: a space as U+2581, a single byte as <0x0A>.
// Source: github.com/google/sentencepiece/blob/master/src/normalizer.cc and model_interface.cc
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::model::sentencepiece {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, lower one eighth block

// `text` with every U+2581 made a space.
std::string unescape(std::string_view text);

// The byte that a token's name, such as <0xE2>, stands for.
std::optional<std::uint8_t> byte_of(std::string_view name);

}  // namespace troupe::model::sentencepiece

#include "model/sentencepiece_text.hpp"

#include <charconv>

namespace troupe::model::sentencepiece {

std::string unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (true) {
    const std::size_t at = text.find(kSpace);
    plain.append(text.substr(0, at));
    if (at == std::string_view::npos) return plain;
    plain += ' ';
    text.remove_prefix(at + kSpace.size());
  }
}

std::optional<std::uint8_t> byte_of(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name.back() != '>') return std::nullopt;
  std::uint8_t byte = 0;
  const char* end = name.data() + 5;
  const auto parsed = std::from_chars(name.data() + 3, end, byte, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return byte;
}

}  // namespace troupe::model::sentencepiece

#include "model/byte_level.hpp"

#include <array>

namespace troupe::model::byte_level {
namespace {

constexpr std::uint32_t kCodePoints = 0x144;  // the last name is U+0143

// Bytes that print in Latin-1 name themselves; the other 68 are numbered from U+0100 in ascending
// order.
constexpr bool names_itself(std::uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Tables {
  std::array<std::uint16_t, 256> code_point_of{};
  std::array<std::int16_t, kCodePoints> byte_of{};  // -1: no byte has this name
};

constexpr Tables make_tables() {
  Tables tables;
  tables.byte_of.fill(-1);
  std::uint32_t next = 0x100;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const std::uint32_t code_point = names_itself(byte) ? byte : next++;
    tables.code_point_of[byte] = static_cast<std::uint16_t>(code_point);
    tables.byte_of[code_point] = static_cast<std::int16_t>(byte);
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::string name_of(std::uint8_t byte) {
  const std::uint32_t code_point = kTables.code_point_of[byte];
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0U | (code_point >> 6U)),
          static_cast<char>(0x80U | (code_point & 0x3FU))};
}

std::optional<std::string> bytes_of(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::uint32_t code_point = static_cast<unsigned char>(text[at]);
    if (code_point >= 0x80) {  // every name takes at most two bytes
      const bool two = code_point >= 0xC2 && code_point <= 0xDF && at + 1 < text.size();
      const std::uint32_t second = two ? static_cast<unsigned char>(text[at + 1]) : 0;
      if ((second & 0xC0U) != 0x80U) return std::nullopt;
      code_point = (code_point & 0x1FU) << 6U | (second & 0x3FU);
      ++at;
    }
    if (code_point >= kCodePoints || kTables.byte_of[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(kTables.byte_of[code_point]);
  }
  return bytes;
}

}  // namespace troupe::model::byte_level

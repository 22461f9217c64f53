#include "actors/observe/json_line.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace troupe::actors::observe {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the character that starts `text`, 0 if it is not well-formed (Unicode 15, table 3-7).
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
  const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : bytes;
}

void append_ascii(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else if (byte < 0x20 || byte == 0x7F) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += "\\u00";
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  } else {
    out += c;
  }
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) out += kReplacement;
    if (bytes == 1) append_ascii(out, text.front());
    if (bytes > 1) out += text.substr(0, bytes);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  out += '"';
}

void JsonLine::name(std::string_view name) {
  if (line_.size() > 1) line_ += ',';
  append_json_text(line_, name);
  line_ += ':';
}

JsonLine& JsonLine::text(std::string_view field, std::string_view value) {
  name(field);
  append_json_text(line_, value);
  return *this;
}

JsonLine& JsonLine::number(std::string_view field, std::uint64_t value) {
  name(field);
  line_ += std::to_string(value);
  return *this;
}

JsonLine& JsonLine::seconds(std::string_view field, double value) {
  if (!std::isfinite(value)) return null(field);
  char digits[64];
  std::snprintf(digits, sizeof digits, "%.6g", value);
  // Times since boot have more digits than %.6g shows; microseconds are the finest anyone needs.
  if (std::abs(value) >= 1.0) std::snprintf(digits, sizeof digits, "%.6f", value);
  name(field);
  line_ += digits;
  return *this;
}

JsonLine& JsonLine::flag(std::string_view field, bool value) {
  name(field);
  line_ += value ? "true" : "false";
  return *this;
}

JsonLine& JsonLine::null(std::string_view field) {
  name(field);
  line_ += "null";
  return *this;
}

JsonLine& JsonLine::object(std::string_view field, const JsonLine& value) {
  name(field);
  line_ += value.str();
  return *this;
}

std::string wall_clock_text(std::chrono::system_clock::time_point moment) {
  using std::chrono::duration_cast;
  const auto ms = duration_cast<std::chrono::milliseconds>(moment.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char text[40];
  std::snprintf(text, sizeof text, "%s.%03dZ", date, static_cast<int>(ms % 1000));
  return text;
}

}  // namespace troupe::actors::observe

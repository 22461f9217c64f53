#include "model/utf8.hpp"

#include <algorithm>

#include "config/check.hpp"

namespace troupe::model::utf8 {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// What a lead byte promises: the length, and the range that its second byte must lie in. The
// narrower ranges refuse overlong forms (E0, F0), surrogates (ED) and what lies beyond U+10FFFF
// (F4).
struct Lead {
  std::size_t bytes = 0;  // 0: no character starts with this byte
  unsigned second_min = 0x80;
  unsigned second_max = 0xBF;
};

Lead lead_of(unsigned byte) {
  if (byte < 0x80) return {1};
  if (byte >= 0xC2 && byte <= 0xDF) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

}  // namespace

Sequence first_sequence(std::string_view bytes) {
  CHECK(!bytes.empty(), "a sequence has at least one byte");
  const Lead lead = lead_of(byte_at(bytes, 0));
  if (lead.bytes == 0) return {SequenceKind::kInvalid, 1};
  const std::size_t present = std::min(lead.bytes, bytes.size());
  for (std::size_t at = 1; at < present; ++at) {
    const unsigned low = at == 1 ? lead.second_min : 0x80;
    const unsigned high = at == 1 ? lead.second_max : 0xBF;
    const unsigned byte = byte_at(bytes, at);
    if (byte < low || byte > high) return {SequenceKind::kInvalid, at};
  }
  if (present < lead.bytes) return {SequenceKind::kUnfinished, present};
  return {SequenceKind::kValid, lead.bytes};
}

std::size_t valid_prefix(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (byte_at(bytes, at) < 0x80) {
      ++at;
      continue;
    }
    const Sequence sequence = first_sequence(bytes.substr(at));
    if (sequence.kind != SequenceKind::kValid) break;
    at += sequence.bytes;
  }
  return at;
}

std::size_t unfinished_suffix(std::string_view bytes) {
  // An unfinished character has at most three bytes and starts with its only lead byte.
  const std::size_t longest = std::min<std::size_t>(3, bytes.size());
  for (std::size_t length = 1; length <= longest; ++length) {
    const std::string_view tail = bytes.substr(bytes.size() - length);
    const bool continuation = (byte_at(tail, 0) & 0xC0U) == 0x80U;
    if (continuation) continue;
    const Sequence sequence = first_sequence(tail);
    return sequence.kind == SequenceKind::kUnfinished ? length : 0;
  }
  return 0;
}

std::string replace_invalid(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t valid = valid_prefix(bytes);
    text.append(bytes.substr(0, valid));
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    text.append(kReplacement);
    bytes.remove_prefix(first_sequence(bytes).bytes);
  }
  return text;
}

}  // namespace troupe::model::utf8

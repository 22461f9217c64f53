#include "jinja/unicode.hpp"

#include <algorithm>

#include "jinja/unicode_tables.hpp"

namespace troupe::jinja::unicode {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kSigma = 0x3A3;
constexpr char32_t kFinalSigma = 0x3C2;

const Run* find(const Run* runs, std::size_t size, char32_t character) {
  const Run* end = runs + size;
  // Runs of stride 2 may enclose others: look back at a few.
  const Run* after = std::upper_bound(
      runs, end, character, [](char32_t code, const Run& run) { return code < run.first; });
  for (int back = 0; back < 4 && after != runs; ++back) {
    --after;
    if (character <= after->last && (character - after->first) % after->stride == 0) return after;
  }
  return nullptr;
}

char32_t map(const Run* runs, std::size_t size, char32_t character) {
  const Run* run = find(runs, size, character);
  if (run == nullptr) return character;
  return static_cast<char32_t>(static_cast<std::int64_t>(character) + run->delta);
}

const char* find_long(const LongCase* cases, std::size_t size, char32_t character) {
  const LongCase* end = cases + size;
  const LongCase* found = std::lower_bound(
      cases, end, character, [](const LongCase& one, char32_t code) { return one.code < code; });
  return found != end && found->code == character ? found->text : nullptr;
}

void append_upper(char32_t character, std::string& text) {
  const char* several = find_long(kLongUpper, kLongUpperSize, character);
  if (several != nullptr) {
    text += several;
  } else {
    append(map(kUpper, kUpperSize, character), text);
  }
}

void append_title(char32_t character, std::string& text) {
  const char* several = find_long(kLongTitle, kLongTitleSize, character);
  if (several != nullptr) {
    text += several;
  } else if (find(kTitle, kTitleSize, character) != nullptr) {
    append(map(kTitle, kTitleSize, character), text);
  } else {
    append(map(kUpper, kUpperSize, character), text);
  }
}

bool is_cased(char32_t character) {
  return is_upper(character) || is_lower(character) || is_title(character);
}

// A capital sigma at the end of a word has a lower case of its own (Unicode, SpecialCasing).
bool ends_word(std::u32string_view text, std::size_t position) {
  const bool before = position > 0 && is_cased(text[position - 1]);
  const bool after = position + 1 < text.size() && is_cased(text[position + 1]);
  return before && !after;
}

void append_lower(std::u32string_view text, std::size_t position, std::string& lowered) {
  const char32_t character = text[position];
  if (character == 0x130) {  // the only character whose lower case is two
    lowered += "i\xCC\x87";
  } else if (character == kSigma && ends_word(text, position)) {
    append(kFinalSigma, lowered);
  } else {
    append(map(kLower, kLowerSize, character), lowered);
  }
}

std::size_t last_character(std::string_view text) {
  std::size_t position = text.size() - 1;
  while (position > 0 && text.size() - position < 4 &&
         (static_cast<unsigned char>(text[position]) & 0xC0U) == 0x80) {
    --position;
  }
  return position;
}

template <typename Drops>
std::string_view strip_left_if(std::string_view text, Drops drops) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t after = begin;
    if (!drops(next(text, after))) break;
    begin = after;
  }
  return text.substr(begin);
}

template <typename Drops>
std::string_view strip_right_if(std::string_view text, Drops drops) {
  while (!text.empty()) {
    const std::size_t begin = last_character(text);
    std::size_t position = begin;
    if (!drops(next(text, position))) break;
    text = text.substr(0, begin);
  }
  return text;
}

}  // namespace

char32_t next(std::string_view text, std::size_t& position) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const char32_t first = byte(position);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  char32_t character = length < 2 ? first : first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(position + i) & 0xC0U) != 0x80) {
      ++position;
      return kReplacement;
    }
    character = character << 6U | (byte(position + i) & 0x3FU);
  }
  position += std::max<std::size_t>(length, 1);
  return length == 0 ? kReplacement : character;
}

void append(char32_t character, std::string& text) {
  const auto put = [&](char32_t byte) {
    text += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xC0U | character >> 6U);
    put(0x80U | (character & 0x3FU));
  } else if (character < 0x10000) {
    put(0xE0U | character >> 12U);
    put(0x80U | (character >> 6U & 0x3FU));
    put(0x80U | (character & 0x3FU));
  } else {
    put(0xF0U | character >> 18U);
    put(0x80U | (character >> 12U & 0x3FU));
    put(0x80U | (character >> 6U & 0x3FU));
    put(0x80U | (character & 0x3FU));
  }
}

std::size_t count(std::string_view text) {
  std::size_t characters = 0;
  for (std::size_t position = 0; position < text.size(); ++characters) next(text, position);
  return characters;
}

std::u32string decode(std::string_view text) {
  std::u32string characters;
  characters.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) characters += next(text, position);
  return characters;
}

std::string encode(std::u32string_view text) {
  std::string bytes;
  for (const char32_t character : text) append(character, bytes);
  return bytes;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_line_end(char32_t character) {
  return (character >= 0x0A && character <= 0x0D) || (character >= 0x1C && character <= 0x1E) ||
         character == 0x85 || character == 0x2028 || character == 0x2029;
}

bool is_printable(char32_t c) { return find(kUnprintable, kUnprintableSize, c) == nullptr; }

bool is_alpha(char32_t c) { return find(kAlphabetic, kAlphabeticSize, c) != nullptr; }

bool is_decimal(char32_t c) { return find(kDecimal, kDecimalSize, c) != nullptr; }

bool is_digit(char32_t c) { return is_decimal(c) || find(kDigit, kDigitSize, c) != nullptr; }

bool is_numeric(char32_t c) { return is_digit(c) || find(kNumeric, kNumericSize, c) != nullptr; }

bool is_upper(char32_t c) { return find(kUpperCased, kUpperCasedSize, c) != nullptr; }

bool is_lower(char32_t c) { return find(kLowerCased, kLowerCasedSize, c) != nullptr; }

bool is_title(char32_t c) { return find(kTitleCased, kTitleCasedSize, c) != nullptr; }

std::string upper(std::string_view text) {
  std::string result;
  for (std::size_t position = 0; position < text.size();) {
    append_upper(next(text, position), result);
  }
  return result;
}

std::string lower(std::string_view text) {
  const std::u32string characters = decode(text);
  std::string result;
  for (std::size_t i = 0; i < characters.size(); ++i) append_lower(characters, i, result);
  return result;
}

std::string swap_case(std::string_view text) {
  const std::u32string characters = decode(text);
  std::string result;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    if (is_upper(characters[i])) {
      append_lower(characters, i, result);
    } else if (is_lower(characters[i])) {
      append_upper(characters[i], result);
    } else {
      append(characters[i], result);
    }
  }
  return result;
}

std::string capitalize(std::string_view text) {
  const std::u32string characters = decode(text);
  std::string result;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    if (i == 0) append_title(characters[i], result);
    if (i > 0) append_lower(characters, i, result);
  }
  return result;
}

std::string title(std::string_view text) {
  const std::u32string characters = decode(text);
  std::string result;
  bool inside = false;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    if (inside) append_lower(characters, i, result);
    if (!inside) append_title(characters[i], result);
    inside = is_cased(characters[i]);
  }
  return result;
}

std::string_view strip_left(std::string_view text) { return strip_left_if(text, is_space); }

std::string_view strip_right(std::string_view text) { return strip_right_if(text, is_space); }

std::string_view strip_right_word(std::string_view text) {
  return strip_right_if(text, [](char32_t c) { return !is_space(c); });
}

std::string_view strip_left(std::string_view text, std::u32string_view characters) {
  return strip_left_if(text, [&](char32_t c) { return characters.find(c) != characters.npos; });
}

std::string_view strip_right(std::string_view text, std::u32string_view characters) {
  return strip_right_if(text, [&](char32_t c) { return characters.find(c) != characters.npos; });
}

}  // namespace troupe::jinja::unicode

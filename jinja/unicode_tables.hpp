// Tables of Unicode that unicode.cpp reads, made by scripts/jinja/make_unicode_tables.py.
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::jinja::unicode {

// The characters first, first + stride … last; `delta` leads to the character each is mapped to.
struct Run {
  std::uint32_t first;
  std::uint32_t last;
  std::uint32_t stride;
  std::int32_t delta = 0;
};

// A character whose other case is several, in UTF-8.
struct LongCase {
  std::uint32_t code;
  const char* text;
};

extern const Run kUpper[], kLower[], kTitle[];
extern const std::size_t kUpperSize, kLowerSize, kTitleSize;
extern const LongCase kLongUpper[], kLongTitle[];
extern const std::size_t kLongUpperSize, kLongTitleSize;
extern const Run kUpperCased[], kLowerCased[], kTitleCased[], kAlphabetic[];
extern const std::size_t kUpperCasedSize, kLowerCasedSize, kTitleCasedSize, kAlphabeticSize;
extern const Run kDecimal[], kDigit[], kNumeric[], kUnprintable[];
extern const std::size_t kDecimalSize, kDigitSize, kNumericSize, kUnprintableSize;

}  // namespace troupe::jinja::unicode

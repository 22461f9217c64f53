// Text as Python's str sees it: characters are code points, the bytes are UTF-8. A byte that is no
// UTF-8 reads as U+FFFD.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::jinja::unicode {

// The character at `position`, which moves behind it.
char32_t next(std::string_view text, std::size_t& position);
void append(char32_t character, std::string& text);
std::size_t count(std::string_view text);
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);

bool is_space(char32_t character);
// What str.splitlines() splits at.
bool is_line_end(char32_t character);
bool is_printable(char32_t character);
bool is_alpha(char32_t character);
bool is_decimal(char32_t character);
bool is_digit(char32_t character);
bool is_numeric(char32_t character);
bool is_upper(char32_t character);
bool is_lower(char32_t character);
bool is_title(char32_t character);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string swap_case(std::string_view text);
// The first character in title case, the others in lower case.
std::string capitalize(std::string_view text);
// Each word as capitalize() has it; words are runs of characters with case.
std::string title(std::string_view text);

// Without white space at the ends (Python's str.strip()).
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
// Without what stands behind the last white space.
std::string_view strip_right_word(std::string_view text);
// Without the characters of `characters` at the ends.
std::string_view strip_left(std::string_view text, std::u32string_view characters);
std::string_view strip_right(std::string_view text, std::u32string_view characters);

}  // namespace troupe::jinja::unicode

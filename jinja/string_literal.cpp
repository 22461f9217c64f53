#include "jinja/string_literal.hpp"

#include "jinja/lexer.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// What a backslash and this letter stand for; 0: none of the plain escapes.
char plain_escape(char letter) {
  constexpr std::string_view kLetters = "\\'\"abfnrtv";
  constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  const std::size_t place = kLetters.find(letter);
  return place == std::string_view::npos ? '\0' : kMeanings[place];
}

// How many hexadecimal digits follow this letter; 0: none do.
std::size_t hex_digits(char letter) {
  return letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
}

char32_t read_hex(std::string_view digits, std::size_t count, int line) {
  char32_t code = 0;
  if (digits.size() < count) fail_syntax(line, "a string's escape ends too early");
  for (const char digit : digits.substr(0, count)) {
    const std::size_t value =
        std::string_view("0123456789abcdef").find(static_cast<char>(digit | 0x20));
    if (value == std::string_view::npos) fail_syntax(line, "a string's escape is no number");
    code = code * 16 + static_cast<char32_t>(value);
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    fail_syntax(line, "a string's escape is no Unicode character");
  }
  return code;
}

// One to three octal digits.
char32_t read_octal(std::string_view& rest) {
  char32_t code = 0;
  for (int i = 0; i < 3 && !rest.empty() && rest[0] >= '0' && rest[0] <= '7'; ++i) {
    code = code * 8 + static_cast<char32_t>(rest[0] - '0');
    rest.remove_prefix(1);
  }
  return code;
}

}  // namespace

std::string unescape_literal(std::string_view literal, int line) {
  std::string text;
  while (!literal.empty()) {
    const char first = literal[0];
    if (first != '\\' || literal.size() < 2) {
      text += first;
      literal.remove_prefix(1);
      continue;
    }
    const char letter = literal[1];
    const std::size_t digits = hex_digits(letter);
    if (letter >= '0' && letter <= '7') {
      literal.remove_prefix(1);
      unicode::append(read_octal(literal), text);
      continue;
    }
    literal.remove_prefix(2);
    if (digits > 0) {
      unicode::append(read_hex(literal, digits, line), text);
      literal.remove_prefix(digits);
    } else if (letter == 'N') {
      fail_syntax(line, "characters by their names (\\N) are not supported: write \\u and digits");
    } else if (plain_escape(letter) != 0) {
      text += plain_escape(letter);
    } else if (letter != '\n') {  // an escaped end of line joins two lines
      text += '\\';
      text += letter;
    }
  }
  return text;
}

}  // namespace troupe::jinja

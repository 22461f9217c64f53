#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "jinja/error.hpp"
#include "jinja/format.hpp"
#include "jinja/operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// Wider than any template writes; beyond it a width would be a way to make large texts.
constexpr std::size_t kWidthMax = 10'000;
constexpr int kPrecisionMax = 100;

bool is_align(char character) {
  return std::string_view("<>^=").find(character) != std::string::npos;
}

std::size_t read_number(std::string_view text, std::size_t& position) {
  std::size_t number = 0;
  while (position < text.size() && text[position] >= '0' && text[position] <= '9') {
    number = number * 10 + static_cast<std::size_t>(text[position++] - '0');
    if (number > kWidthMax) throw RenderError("a format has a width beyond 10000");
  }
  return number;
}

std::string with_commas(std::string digits) {
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (std::size_t i = whole; i > 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

// Without its sign.
std::string float_digits(double value, const FormatSpec& spec) {
  value = std::abs(value);
  if (spec.type == 0 && spec.precision < 0) return float_text(value);
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return "inf";
  const int precision = std::min(spec.precision < 0 ? 6 : spec.precision, kPrecisionMax);
  const bool percent = spec.type == '%';
  const char type = spec.type == 0 ? 'g' : percent ? 'f' : spec.type;
  const char form[] = {'%', '.', '*', type, 0};
  char buffer[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  std::snprintf(buffer, sizeof buffer, form, precision, percent ? value * 100 : value);
#pragma GCC diagnostic pop
  return std::string(buffer) + (percent ? "%" : "");
}

std::string integer_digits(std::int64_t value, const FormatSpec& spec) {
  const std::uint64_t size =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const char type = spec.type == 0 ? 'd' : spec.type;
  const int base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
  char buffer[80];
  std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, size, base).ptr);
  if (type == 'X')
    std::ranges::transform(
        digits, digits.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (spec.is_alternate && base != 10) return std::string("0") + type + digits;
  return digits;
}

std::string pad(const std::string& sign,
                const std::string& body,
                const FormatSpec& spec,
                char align) {
  const std::size_t size = unicode::count(sign) + unicode::count(body);
  if (size >= spec.width) return sign + body;
  const std::size_t missing = spec.width - size;
  const std::size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const auto fill = [&](std::size_t count) {
    return unicode::encode(std::u32string(count, spec.fill));
  };
  if (align == '=') return sign + fill(missing) + body;
  return fill(left) + sign + body + fill(missing - left);
}

}  // namespace

FormatSpec parse_format_spec(std::string_view text) {
  FormatSpec spec;
  std::size_t position = 0;
  if (!text.empty()) {
    std::size_t after = 0;
    const char32_t first = unicode::next(text, after);
    if (after < text.size() && is_align(text[after])) {
      spec.fill = first;
      spec.align = text[after];
      position = after + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      position = 1;
    }
  }
  const auto at = [&](std::string_view set) {
    return position < text.size() && set.find(text[position]) != std::string_view::npos;
  };
  if (at("+- ")) spec.sign = text[position++];
  if (at("#")) spec.is_alternate = ++position != 0;
  if (at("0")) {
    ++position;
    if (spec.align == 0) {
      spec.fill = '0';
      spec.align = '=';
    }
  }
  spec.width = read_number(text, position);
  if (at(",")) spec.has_separator = ++position != 0;
  if (at(".")) {
    ++position;
    spec.precision = static_cast<int>(read_number(text, position));
  }
  if (position < text.size()) spec.type = text[position++];
  if (position != text.size()) throw RenderError("Invalid format specifier");
  return spec;
}

std::string format_value(Budget& budget, const Value& value, const FormatSpec& spec) {
  const auto is_one_of = [&](std::string_view types) {
    return spec.type == 0 || types.find(spec.type) != std::string_view::npos;
  };
  budget.charge(spec.width * sizeof(char32_t));
  const bool as_float =
      value.is_float() || (value.is_integer() && spec.type != 0 &&
                           std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos);
  if (as_float && is_one_of("eEfFgG%")) {
    const bool negative = std::signbit(value.number());
    std::string digits = float_digits(value.number(), spec);
    if (spec.has_separator) digits = with_commas(digits);
    const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
    return pad(sign, digits, spec, spec.align == 0 ? '>' : spec.align);
  }
  if (value.is_integer() && !(value.is_bool() && spec.type == 0) && is_one_of("dxXobn")) {
    std::string digits = integer_digits(value.integer(), spec);
    if (spec.has_separator) digits = with_commas(digits);
    const std::string sign = value.integer() < 0 ? "-"
                             : spec.sign == '-'  ? ""
                                                 : std::string(1, spec.sign);
    return pad(sign, digits, spec, spec.align == 0 ? '>' : spec.align);
  }
  if (!is_one_of("s") || spec.align == '=') {
    throw RenderError(std::string("Unknown format code '") + spec.type + "' for object of type '" +
                      value.type_name() + "'");
  }
  std::string text = to_text(budget, value);
  if (spec.precision >= 0) {
    std::size_t end = 0;
    for (int i = 0; i < spec.precision && end < text.size(); ++i) unicode::next(text, end);
    text.resize(end);
  }
  budget.charge(2 * text.size());
  return pad("", text, spec, spec.align == 0 ? '<' : spec.align);
}

}  // namespace troupe::jinja

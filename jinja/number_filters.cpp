// Filters that make numbers, and `default`.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "jinja/attribute_path.hpp"
#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

// Digits as Python's int() and float() read them: stripped, underscores between digits left out.
// None when an underscore stands elsewhere.
std::optional<std::string> number_text(std::string_view text) {
  text = unicode::strip_right(unicode::strip_left(text));
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](std::size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
    };
    if (text[i] != '_') {
      digits += text[i];
    } else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) {
      return std::nullopt;
    }
  }
  return digits;
}

std::optional<std::int64_t> read_integer(std::string_view text, int base) {
  const auto digits = number_text(text);
  if (!digits) return std::nullopt;
  std::string_view rest = *digits;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
  const auto skips = [&](std::string_view small, std::string_view large, int of) {
    if (base != of || !(rest.starts_with(small) || rest.starts_with(large))) return;
    rest.remove_prefix(2);
  };
  skips("0x", "0X", 16);
  skips("0o", "0O", 8);
  skips("0b", "0B", 2);
  if (rest.empty() || rest[0] == '-') return std::nullopt;
  const std::string signed_digits = (is_negative ? "-" : "") + std::string(rest);
  std::int64_t number = 0;
  const char* end = signed_digits.data() + signed_digits.size();
  const auto result = std::from_chars(signed_digits.data(), end, number, base);
  if (result.ec == std::errc::result_out_of_range) fail_large();
  return result.ec == std::errc{} && result.ptr == end ? std::optional(number) : std::nullopt;
}

std::optional<double> read_float(std::string_view text) {
  const auto digits = number_text(text);
  if (!digits || digits->empty()) return std::nullopt;
  // strtod() also reads what Python does not: hexadecimal and nan(…).
  if (digits->find_first_of("xX(") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(digits->c_str(), &end);
  return *end == 0 ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> whole(double number) {
  if (!std::isfinite(number)) return std::nullopt;
  if (std::abs(number) >= 9.2e18) fail_large();
  return static_cast<std::int64_t>(number);
}

Value int_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("int", arguments, {"default", "base"});
  const Value otherwise = parameters.value_or(0, std::int64_t{0});
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_integer()) return value.integer();
  if (value.is_float()) {
    if (std::isinf(value.number())) throw RenderError("cannot convert float infinity to integer");
    const auto number = whole(value.number());
    return number ? Value(*number) : otherwise;
  }
  if (!value.is_text()) return otherwise;
  const auto base = parameters.integer_or(1, 10);
  if (base < 2 || base > 36) return otherwise;
  const std::string& text = value.as_text()->bytes;
  runtime.budget.charge(4 * text.size());  // digits without underscores, and strtod()
  if (const auto number = read_integer(text, static_cast<int>(base))) return *number;
  const auto number = read_float(text);
  const auto cut = number ? whole(*number) : std::nullopt;
  return cut ? Value(*cut) : otherwise;
}

Value float_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("float", arguments, {"default"});
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_number()) return value.number();
  if (value.is_text()) runtime.budget.charge(4 * value.as_text()->bytes.size());
  const auto number = value.is_text() ? read_float(value.as_text()->bytes) : std::nullopt;
  return number ? Value(*number) : parameters.value_or(0, 0.0);
}

Value absolute(Runtime&, const Value& value, Arguments& arguments) {
  const Parameters none("abs", arguments, {});
  if (value.is_float()) return std::abs(value.number());
  if (value.is_integer()) return value.integer() < 0 ? negate(value) : Value(value.integer());
  if (value.is_undefined()) fail_undefined(value);
  throw RenderError("bad operand type for abs(): '" + value.type_name() + "'");
}

// To the nearest decimal, halves as the exact binary value falls, as Python's round() does.
double round_digits(double number, std::int64_t digits) {
  if (!std::isfinite(number) || digits > 300) return number;
  if (digits < -300) return 0 * number;
  if (digits <= 0) {
    const double scale = std::pow(10.0, static_cast<double>(-digits));
    return std::nearbyint(number / scale) * scale;
  }
  char text[700];
  const auto end = std::to_chars(
      text, text + sizeof text, number, std::chars_format::fixed, static_cast<int>(digits));
  return std::strtod(std::string(text, end.ptr).c_str(), nullptr);
}

// To a multiple of 10**-digits, halves to the even one, as Python rounds an int.
std::int64_t round_integer(std::int64_t number, std::int64_t digits) {
  if (digits >= 0) return number;
  constexpr std::int64_t kHalfOfLargest = 5'000'000'000'000'000'000;  // of 10**19
  if (digits < -19) return 0;
  if (digits == -19) {
    if (number > kHalfOfLargest || number < -kHalfOfLargest) fail_large();
    return 0;
  }
  std::int64_t scale = 1;
  for (std::int64_t i = 0; i < -digits; ++i) scale *= 10;
  const std::int64_t rest = (number % scale + scale) % scale;
  const bool is_odd = ((number - number % scale) / scale + (number % scale < 0 ? -1 : 0)) % 2 != 0;
  const bool up = rest > scale - rest || (rest == scale - rest && is_odd);
  std::int64_t rounded = 0;
  if (__builtin_add_overflow(number, up ? scale - rest : -rest, &rounded)) fail_large();
  return rounded;
}

Value round(Runtime&, const Value& value, Arguments& arguments) {
  const Parameters parameters("round", arguments, {"precision", "method"});
  const std::int64_t digits = parameters.integer_or(0, 0);
  const std::string_view method = parameters.text_or(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") {
    throw RenderError("method must be common, ceil or floor");
  }
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_number()) throw RenderError("round needs a number, not " + value.type_name());
  if (method == "common") {
    if (value.is_integer()) return round_integer(value.integer(), digits);
    return round_digits(value.number(), digits);
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = value.number() * scale;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
}

Value default_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("default", arguments, {"default_value", "boolean"});
  const bool replaces = value.is_undefined() || (parameters.truth_or(1, false) && !is_true(value));
  return replaces ? parameters.value_or(0, copy_text(runtime.budget, "")) : value;
}

Value length_filter(Runtime&, const Value& value, Arguments& arguments) {
  const Parameters none("length", arguments, {});
  return Value::size(length(value));
}

Value sum(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("sum", arguments, {"attribute", "start"});
  Value all = parameters.value_or(1, std::int64_t{0});
  if (all.is_text()) throw RenderError("sum() can't sum strings");
  const AttributePath path(runtime.budget, parameters.value_or(0, Value()));
  for (const Value& item : ItemView(runtime.budget, value)) {
    all = apply(runtime.budget, BinaryOperator::kAdd, all, path.follow(runtime, item));
  }
  return all;
}

}  // namespace

Filter find_number_filter(std::string_view name) {
  static constexpr Named<Filter> kFilters[] = {{"int", int_filter},
                                               {"float", float_filter},
                                               {"abs", absolute},
                                               {"round", round},
                                               {"default", default_filter},
                                               {"d", default_filter},
                                               {"length", length_filter},
                                               {"count", length_filter},
                                               {"sum", sum}};
  return find_named(kFilters, name);
}

}  // namespace troupe::jinja

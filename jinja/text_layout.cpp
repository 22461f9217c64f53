// Methods of strings about case, classes of characters and width.
#include <algorithm>

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/text_operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("this method", arguments, {});
  return map_text(runtime.budget, self, kMap);
}

// What these look at character by character, with a search in a table for each.
std::string_view read_through(Runtime& runtime, const Value& self) {
  runtime.budget.charge_work(16 * self.as_text()->bytes.size());
  return self.as_text()->bytes;
}

// Whether the text is not empty and all its characters are such.
template <bool (*kIs)(char32_t)>
Value all_are(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("this method", arguments, {});
  const std::string_view text = read_through(runtime, self);
  for (std::size_t position = 0; position < text.size();) {
    if (!kIs(unicode::next(text, position))) return false;
  }
  return !text.empty();
}

bool is_alnum(char32_t c) { return unicode::is_alpha(c) || unicode::is_numeric(c); }

// Some character has this case and none has another.
template <bool kUpper>
Value has_case(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("this method", arguments, {});
  const std::string_view text = read_through(runtime, self);
  bool found = false;
  for (std::size_t position = 0; position < text.size();) {
    const char32_t c = unicode::next(text, position);
    const bool upper = unicode::is_upper(c);
    const bool lower = unicode::is_lower(c);
    if (unicode::is_title(c) || (kUpper ? lower : upper)) return false;
    found = found || (kUpper ? upper : lower);
  }
  return found;
}

Value istitle(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("istitle", arguments, {});
  const std::string_view text = read_through(runtime, self);
  bool found = false;
  bool inside = false;
  for (std::size_t position = 0; position < text.size();) {
    const char32_t c = unicode::next(text, position);
    const bool begins = unicode::is_upper(c) || unicode::is_title(c);
    const bool goes_on = unicode::is_lower(c);
    if ((begins && inside) || (goes_on && !inside)) return false;
    inside = begins || goes_on;
    found = found || inside;
  }
  return found;
}

Value isascii(Runtime&, const Value& self, Arguments& arguments) {
  const Parameters none("isascii", arguments, {});
  return self.as_text()->length == self.as_text()->bytes.size();
}

// Padded to a width: kLeft and kRight say at which sides.
template <bool kLeft, bool kRight>
Value padded(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("center", arguments, {"width", "fillchar"}, 1);
  const Text& text = *self.as_text();
  const std::string_view fill = parameters.text_or(1, " ");
  if (fill.size() > 4 || unicode::count(fill) != 1) {
    throw RenderError("The fill character must be exactly one character long");
  }
  const std::int64_t width = parameters.integer_or(0, 0);
  if (width <= static_cast<std::int64_t>(text.length)) return self;
  const std::size_t missing = static_cast<std::size_t>(width) - text.length;
  runtime.budget.charge(missing);
  // Where the sides differ by one, an odd width gets it on the left (CPython, str.center).
  const std::size_t half = missing / 2 + (missing & static_cast<std::size_t>(width) & 1U);
  const std::size_t left = !kLeft ? 0 : kRight ? half : missing;
  TextBuilder made(runtime.budget);
  for (std::size_t i = 0; i < left; ++i) made += fill;
  made += text.bytes;
  for (std::size_t i = left; i < missing; ++i) made += fill;
  return make_text(runtime.budget, made.take(), text.is_markup);
}

Value zfill(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("zfill", arguments, {"width"}, 1);
  const Text& text = *self.as_text();
  const std::int64_t width = parameters.integer_or(0, 0);
  if (width <= static_cast<std::int64_t>(text.length)) return self;
  const std::size_t missing = static_cast<std::size_t>(width) - text.length;
  runtime.budget.charge(missing);
  runtime.budget.charge(text.bytes.size());
  const std::size_t sign = text.bytes.starts_with('-') || text.bytes.starts_with('+') ? 1 : 0;
  std::string made;
  made.reserve(text.bytes.size() + missing);
  made.append(text.bytes, 0, sign).append(missing, '0').append(text.bytes, sign);
  return make_text(runtime.budget, std::move(made), text.is_markup);
}

}  // namespace

Method find_text_test_method(std::string_view name) {
  static constexpr Named<Method> kMethods[] = {{"isalpha", all_are<unicode::is_alpha>},
                                               {"isdecimal", all_are<unicode::is_decimal>},
                                               {"isdigit", all_are<unicode::is_digit>},
                                               {"isnumeric", all_are<unicode::is_numeric>},
                                               {"isalnum", all_are<is_alnum>},
                                               {"isspace", all_are<unicode::is_space>},
                                               {"isupper", has_case<true>},
                                               {"islower", has_case<false>},
                                               {"istitle", istitle},
                                               {"isascii", isascii}};
  return find_named(kMethods, name);
}

Method find_text_layout_method(std::string_view name) {
  static constexpr Named<Method> kMethods[] = {{"upper", mapped<unicode::upper>},
                                               {"lower", mapped<unicode::lower>},
                                               {"title", mapped<unicode::title>},
                                               {"capitalize", mapped<unicode::capitalize>},
                                               {"swapcase", mapped<unicode::swap_case>},
                                               {"ljust", padded<false, true>},
                                               {"rjust", padded<true, false>},
                                               {"center", padded<true, true>},
                                               {"zfill", zfill}};
  return find_named(kMethods, name);
}

}  // namespace troupe::jinja

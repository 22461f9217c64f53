// Methods of strings about case, classes of characters and width.
#include <algorithm>

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("this method", arguments, {});
  const Text& text = *self.as_text();
  runtime.budget.charge(text.bytes.size() * sizeof(char32_t));
  return make_text(runtime.budget, kMap(text.bytes), text.is_markup);
}

// Whether the text is not empty and all its characters are such.
template <bool (*kIs)(char32_t)>
Value all_are(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("this method", arguments, {});
  runtime.budget.charge(self.as_text()->bytes.size());
  const std::u32string text = unicode::decode(self.as_text()->bytes);
  return !text.empty() && std::ranges::all_of(text, kIs);
}

bool is_alnum(char32_t c) { return unicode::is_alpha(c) || unicode::is_numeric(c); }

// Some character has this case and none has another.
template <bool kUpper>
Value has_case(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("this method", arguments, {});
  runtime.budget.charge(self.as_text()->bytes.size());
  bool found = false;
  for (const char32_t c : unicode::decode(self.as_text()->bytes)) {
    const bool upper = unicode::is_upper(c);
    const bool lower = unicode::is_lower(c);
    if (unicode::is_title(c) || (kUpper ? lower : upper)) return false;
    found = found || (kUpper ? upper : lower);
  }
  return found;
}

Value istitle(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("istitle", arguments, {});
  runtime.budget.charge(self.as_text()->bytes.size());
  bool found = false;
  bool inside = false;
  for (const char32_t c : unicode::decode(self.as_text()->bytes)) {
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
  const std::string fill = parameters.text_or(1, " ");
  if (unicode::count(fill) != 1) {
    throw RenderError("The fill character must be exactly one character long");
  }
  const std::int64_t width = parameters.integer_or(0, 0);
  if (width <= static_cast<std::int64_t>(text.length)) return self;
  const std::size_t missing = static_cast<std::size_t>(width) - text.length;
  runtime.budget.charge(missing);
  // Where the sides differ by one, an odd width gets it on the left (CPython, str.center).
  const std::size_t half = missing / 2 + (missing & static_cast<std::size_t>(width) & 1U);
  const std::size_t left = !kLeft ? 0 : kRight ? half : missing;
  std::string made;
  for (std::size_t i = 0; i < left; ++i) made += fill;
  made += text.bytes;
  for (std::size_t i = left; i < missing; ++i) made += fill;
  return make_text(runtime.budget, std::move(made), text.is_markup);
}

Value zfill(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("zfill", arguments, {"width"}, 1);
  const Text& text = *self.as_text();
  const std::int64_t width = parameters.integer_or(0, 0);
  if (width <= static_cast<std::int64_t>(text.length)) return self;
  const std::size_t missing = static_cast<std::size_t>(width) - text.length;
  runtime.budget.charge(missing);
  const bool has_sign = text.bytes.starts_with('-') || text.bytes.starts_with('+');
  std::string made = text.bytes;
  made.insert(has_sign ? 1 : 0, missing, '0');
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

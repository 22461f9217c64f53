// Python's two ways to put values into a text: `text % values` and text.format(values).
#pragma once

#include <string>
#include <string_view>

#include "jinja/limits.hpp"
#include "jinja/object.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

// `format % values`: a tuple gives several, a dict those that are named. Conversions: %s %r %a %c
// %d %i %u %x %X %o %f %F %e %E %g %G %%.
Value format_percent(Budget& budget, const Value& format, const Value& values);

// format.format(*positional, **named), with fields as {}, {0}, {name}, {name.key}, {name[key]},
// with !r, !s and a format specification.
Value format_fields(Runtime& runtime, const Value& format, const Arguments& arguments);

// How one value is laid out: `[[fill]align][sign][#][0][width][,][.precision][type]`.
struct FormatSpec {
  char32_t fill = ' ';
  char align = 0;  // < > ^ =, 0: by the type
  char sign = '-';
  bool is_alternate = false;
  bool has_separator = false;  // commas between thousands
  std::size_t width = 0;
  int precision = -1;  // -1: none
  char type = 0;       // 0: by the value
};

FormatSpec parse_format_spec(std::string_view text);
std::string format_value(Budget& budget, const Value& value, const FormatSpec& spec);

}  // namespace troupe::jinja

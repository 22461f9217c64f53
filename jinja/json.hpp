// JSON as Python's json.dumps writes it, for the filter `tojson`.
#pragma once

#include <optional>
#include <string>

#include "jinja/limits.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

struct JsonStyle {
  bool ascii_only = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // one level of it; none: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

// Throws RenderError for what JSON has no form for.
std::string to_json(Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace troupe::jinja

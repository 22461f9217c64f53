// The escapes of a string literal in a template.
#pragma once

#include <string>
#include <string_view>

namespace troupe::jinja {

// `literal` without its quotes, with Python's escapes resolved (its codec unicode-escape). Throws
// SyntaxError that names `line`.
std::string unescape_literal(std::string_view literal, int line);

}  // namespace troupe::jinja

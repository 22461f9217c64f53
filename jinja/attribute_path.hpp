// The parameter `attribute` of filters: "a.b.0" leads from an item to a value within it.
#pragma once

#include <optional>

#include "jinja/runtime.hpp"

namespace troupe::jinja {

// `path` is a text of names and numbers with dots between them, one key of another type, or None
// for the item itself. `otherwise` replaces what is undefined on the way.
Value follow(Runtime& runtime,
             const Value& item,
             const Value& path,
             const std::optional<Value>& otherwise = std::nullopt);

// A text in lower case for a comparison without regard to case; other values as they are.
Value without_case(Runtime& runtime, const Value& value);

}  // namespace troupe::jinja

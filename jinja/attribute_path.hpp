// The parameter `attribute` of filters: "a.b.0" leads from an item to a value within it.
#pragma once

#include <optional>

#include "jinja/runtime.hpp"

namespace troupe::jinja {

class AttributePath {
 public:
  // `path` is a text of names and numbers with dots between them, one key of another type, or None
  // for the item itself. `otherwise` replaces what is undefined on the way.
  AttributePath(Budget& budget, const Value& path, std::optional<Value> otherwise = std::nullopt);

  Value follow(Runtime& runtime, const Value& item) const;

 private:
  Items keys_;
  std::optional<Value> otherwise_;
};

// A text in lower case for a comparison without regard to case; other values as they are.
Value without_case(Runtime& runtime, const Value& value);

}  // namespace troupe::jinja

#include "jinja/object.hpp"

#include <algorithm>

#include "jinja/error.hpp"

namespace troupe::jinja {

std::optional<Value> Arguments::take(std::string_view name) {
  const auto found =
      std::ranges::find_if(named, [&](const auto& one) { return one.first == name; });
  if (found == named.end()) return std::nullopt;
  std::optional<Value> value(found->second);
  named.erase(found);
  return value;
}

std::optional<Value> Object::attribute(Budget&, std::string_view) { return std::nullopt; }

Value Object::call(Runtime&, Arguments) {
  throw RenderError("'" + type_name() + "' object is not callable");
}

}  // namespace troupe::jinja

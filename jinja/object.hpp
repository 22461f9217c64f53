// Values with a behaviour of their own: functions, macros, namespaces, loops.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/value.hpp"

namespace troupe::jinja {

class Runtime;

// What a call passes.
struct Arguments {
  Items positional;
  std::vector<std::pair<std::string, Value>> named;

  // Takes the named argument out; none when it is not there.
  std::optional<Value> take(std::string_view name);
};

class Object {
 public:
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  // Python's name of the type.
  virtual std::string type_name() const = 0;

  virtual bool is_callable() const { return true; }

  // Containers within what it holds, as Value::depth() counts them. 0 also for what the rendering
  // empties at its end (Emptied in runtime.hpp): destroying such a one recurses no further.
  virtual std::size_t depth() const { return 0; }

  // None when it has no such attribute.
  virtual std::optional<Value> attribute(Budget& budget, std::string_view name);
  // Throws RenderError when it cannot be called.
  virtual Value call(Runtime& runtime, Arguments arguments);
};

}  // namespace troupe::jinja

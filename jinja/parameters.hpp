// Binds what a call passes to the parameters of a built-in function, as Python does.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/object.hpp"

namespace troupe::jinja {

class Parameters {
 public:
  // Throws RenderError when an argument fits no parameter, or one of the first `required` is
  // missing. `names` must outlive the object: they are literals.
  Parameters(std::string_view function,
             Arguments& arguments,
             std::initializer_list<std::string_view> names,
             std::size_t required = 0);

  bool has(std::size_t index) const { return values_[index].has_value(); }

  // Passed, and not None.
  bool is_given(std::size_t index) const { return has(index) && !values_[index]->is_none(); }

  const Value& at(std::size_t index) const { return *values_[index]; }

  Value value_or(std::size_t index, Value otherwise) const;
  bool truth_or(std::size_t index, bool otherwise) const;
  // These throw RenderError when what was passed has another type.
  std::int64_t integer_or(std::size_t index, std::int64_t otherwise) const;
  // Lives as long as the object does.
  std::string_view text_or(std::size_t index, std::string_view otherwise) const;

 private:
  [[noreturn]] void fail_type(std::size_t index, const char* type) const;

  std::string_view function_;
  std::vector<std::string_view> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace troupe::jinja

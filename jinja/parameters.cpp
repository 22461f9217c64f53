#include "jinja/parameters.hpp"

#include <algorithm>

#include "jinja/error.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {

Parameters::Parameters(std::string_view function,
                       Arguments& arguments,
                       std::initializer_list<std::string_view> names,
                       std::size_t required)
    : function_(function), names_(names), values_(names.size()) {
  const std::string who(function);
  if (arguments.positional.size() > names_.size()) {
    throw RenderError(who + "() takes at most " + std::to_string(names_.size()) + " arguments (" +
                      std::to_string(arguments.positional.size()) + " given)");
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::ranges::find(names_, name);
    if (place == names_.end()) {
      throw RenderError(who + "() got an unexpected keyword argument '" + shortened(name) + "'");
    }
    auto& slot = values_[static_cast<std::size_t>(place - names_.begin())];
    if (slot)
      throw RenderError(who + "() got multiple values for argument '" + std::string(name) + "'");
    slot = value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!values_[i]) {
      throw RenderError(who + "() missing 1 required argument: '" + std::string(names_[i]) + "'");
    }
  }
}

Value Parameters::value_or(std::size_t index, Value otherwise) const {
  return has(index) ? at(index) : otherwise;
}

bool Parameters::truth_or(std::size_t index, bool otherwise) const {
  return has(index) ? is_true(at(index)) : otherwise;
}

std::int64_t Parameters::integer_or(std::size_t index, std::int64_t otherwise) const {
  if (!has(index)) return otherwise;
  if (!at(index).is_integer()) fail_type(index, "an integer");
  return at(index).integer();
}

std::string_view Parameters::text_or(std::size_t index, std::string_view otherwise) const {
  if (!has(index)) return otherwise;
  if (!at(index).is_text()) fail_type(index, "a string");
  return at(index).as_text()->bytes;
}

void Parameters::fail_type(std::size_t index, const char* type) const {
  throw RenderError(std::string(function_) + "(): " + std::string(names_[index]) + " must be " +
                    type + ", not " + at(index).type_name());
}

}  // namespace troupe::jinja

// What every template finds ready: filters, tests, methods of values, and global functions.
#pragma once

#include <optional>
#include <string_view>

#include "jinja/runtime.hpp"

namespace troupe::jinja {

using Filter = Value (*)(Runtime&, const Value&, Arguments&);
using Test = bool (*)(Runtime&, const Value&, Arguments&);
using Method = Value (*)(Runtime&, const Value&, Arguments&);

// Null when there is none of this name.
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);
// The method bound to its object; what the sandbox forbids is an undefined value.
std::optional<Value> find_method(Budget& budget, const Value& object, std::string_view name);
// range, namespace, dict, raise_exception, strftime_now …
std::optional<Value> find_global(Budget& budget, std::string_view name);

// The tables that those look in, one of each file.
Filter find_text_filter(std::string_view name);
Filter find_number_filter(std::string_view name);
Filter find_sequence_filter(std::string_view name);
Filter find_selection_filter(std::string_view name);
Method find_text_method(std::string_view name);
Method find_text_test_method(std::string_view name);
Method find_text_layout_method(std::string_view name);
Method find_sequence_method(std::string_view name);
Method find_dict_method(std::string_view name);

// One entry of such a table.
template <typename Function>
struct Named {
  std::string_view name;
  Function function;
};

template <typename Function, std::size_t Size>
Function find_named(const Named<Function> (&table)[Size], std::string_view name) {
  for (const auto& one : table) {
    if (one.name == name) return one.function;
  }
  return nullptr;
}

}  // namespace troupe::jinja

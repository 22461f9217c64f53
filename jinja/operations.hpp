// Python's operators on values: truth, comparison, arithmetic, iteration, subscripts, and how
// values print.
#pragma once

#include <optional>
#include <string>

#include "jinja/limits.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

bool is_true(const Value& value);
bool equals(const Value& left, const Value& right);
// left < right. Throws RenderError for types that have no order.
bool is_less(const Value& left, const Value& right);
bool is_less_or_equal(const Value& left, const Value& right);
// Python's `item in container`.
bool contains(Budget& budget, const Value& container, const Value& item);

enum class BinaryOperator : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloor,
  kModulo,
  kPower
};

Value apply(Budget& budget, BinaryOperator binary, const Value& left, const Value& right);
Value negate(const Value& value);
Value plus(const Value& value);

// The items that `for` sees: of a dict its keys, of a string its characters. A generator is used
// up. Throws RenderError for what cannot be iterated.
Items iterate(Budget& budget, const Value& value);
// Python's len(). Throws RenderError for what has none.
std::size_t length(const Value& value);
// container[key] for sequences, strings and dicts; none when there is no such item or the container
// has none.
std::optional<Value> item(Budget& budget, const Value& container, const Value& key);
// container[begin:end:step], each an int or None.
Value slice(Budget& budget,
            const Value& container,
            const Value& begin,
            const Value& end,
            const Value& step);

// Python's str() and repr().
std::string to_text(Budget& budget, const Value& value);
std::string repr(Budget& budget, const Value& value);
// Shortest digits that read back as the same number, as Python prints it.
std::string float_text(double value);

// A new text, charged to the budget.
Value make_text(Budget& budget, std::string bytes, bool is_markup = false);
// `text` with <, >, &, " and ' as entities of HTML.
std::string escape_html(std::string_view text);
// The Markup that |escape makes of a value: Markup stays as it is.
Value to_markup(Budget& budget, const Value& value);

// What use of an undefined value fails with.
[[noreturn]] void fail_undefined(const Value& value);

}  // namespace troupe::jinja

// Python's operators on values: truth, comparison, arithmetic, iteration, subscripts, and how
// values print.
#pragma once

#include <optional>
#include <string>

#include "jinja/making.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

bool is_true(const Value& value);
bool equals(Budget& budget, const Value& left, const Value& right);
// left < right. Throws RenderError for types that have no order.
bool is_less(Budget& budget, const Value& left, const Value& right);
bool is_less_or_equal(Budget& budget, const Value& left, const Value& right);
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

// The same items without a copy where the value holds them already.
class ItemView {
 public:
  ItemView(Budget& budget, const Value& value);
  ItemView(const ItemView&) = delete;
  ItemView& operator=(const ItemView&) = delete;

  const Value* begin() const { return begin_; }

  const Value* end() const { return end_; }

  std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }

  const Value& operator[](std::size_t index) const { return begin_[index]; }

 private:
  Value kept_;  // what holds them
  Items made_;
  const Value* begin_ = nullptr;
  const Value* end_ = nullptr;
};

// Python's len(). Throws RenderError for what has none.
std::size_t length(const Value& value);
// container[key] for sequences, strings and dicts; none when there is no such item or the container
// has none.
std::optional<Value> item(Budget& budget, const Value& container, const Value& key);
// The characters begin … end of a text, each an int or None.
std::string_view window(Budget& budget, const Text& text, const Value& begin, const Value& end);
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

void append_text(TextBuilder& out, const Value& value);
void append_repr(TextBuilder& out, const Value& value);
// `text` with <, >, &, " and ' as entities of HTML.
void append_html(TextBuilder& out, std::string_view text);
// The Markup that |escape makes of a value: Markup stays as it is.
Value to_markup(Budget& budget, const Value& value);

// What would need larger integers than this interpreter has.
[[noreturn]] void fail_large();
// What use of an undefined value fails with.
[[noreturn]] void fail_undefined(const Value& value);

}  // namespace troupe::jinja

#include "jinja/attribute_path.hpp"

#include "jinja/operations.hpp"
#include "jinja/text_operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

Value key_of(Budget& budget, std::string_view part) {
  const bool is_number = !part.empty() && part.size() < 10 &&
                         part.find_first_not_of("0123456789") == std::string_view::npos;
  if (!is_number) return copy_text(budget, part);
  return static_cast<std::int64_t>(std::stoll(std::string(part)));
}

}  // namespace

AttributePath::AttributePath(Budget& budget, const Value& path, std::optional<Value> otherwise)
    : otherwise_(std::move(otherwise)) {
  if (path.is_none()) return;
  if (!path.is_text()) {
    push(budget, keys_, path);
    return;
  }
  for (const std::string_view part : split_at(budget, path.as_text()->bytes, ".", -1, false)) {
    push(budget, keys_, key_of(budget, part));
  }
}

Value AttributePath::follow(Runtime& runtime, const Value& item) const {
  Value value = item;
  for (const Value& key : keys_) {
    runtime.budget.step();
    value = runtime.subscript(value, key);
    if (value.is_undefined() && otherwise_) value = *otherwise_;
  }
  return value;
}

Value without_case(Runtime& runtime, const Value& value) {
  if (!value.is_text()) return value;
  return map_text(runtime.budget, value, unicode::lower);
}

}  // namespace troupe::jinja

#include "jinja/attribute_path.hpp"

#include "jinja/operations.hpp"
#include "jinja/text_operations.hpp"
#include "jinja/unicode.hpp"

namespace troupe::jinja {
namespace {

Value key_of(const std::string& part) {
  const bool is_number = !part.empty() && part.size() < 10 &&
                         part.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? Value(static_cast<std::int64_t>(std::stoll(part))) : Value::text(part);
}

}  // namespace

Value follow(Runtime& runtime,
             const Value& item,
             const Value& path,
             const std::optional<Value>& otherwise) {
  if (path.is_none()) return item;
  const auto step = [&](const Value& from, const Value& key) {
    Value found = runtime.subscript(from, key);
    return found.is_undefined() && otherwise ? *otherwise : found;
  };
  if (!path.is_text()) return step(item, path);
  Value value = item;
  for (const std::string& part : split_at(path.as_text()->bytes, ".", -1, false)) {
    value = step(value, key_of(part));
  }
  return value;
}

Value without_case(Runtime& runtime, const Value& value) {
  if (!value.is_text()) return value;
  return make_text(runtime.budget, unicode::lower(value.as_text()->bytes));
}

}  // namespace troupe::jinja

// A JSON text as a tree, read within bounds: for model files that are JSON. Format: RFC 8259.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::model {

struct JsonMember;

class JsonTree {
 public:
  using Array = std::vector<JsonTree>;
  using Object = std::vector<JsonMember>;  // in the text's order; no key occurs twice
  using Value = std::variant<std::monostate,
                             bool,
                             std::uint64_t,
                             std::int64_t,
                             double,
                             std::string,
                             Array,
                             Object>;

  JsonTree() = default;

  explicit JsonTree(Value value);

  // nullptr, or empty, when the value is of another kind.
  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }

  const std::string* text() const { return std::get_if<std::string>(&value_); }

  const Array* array() const { return std::get_if<Array>(&value_); }

  const Object* object() const { return std::get_if<Object>(&value_); }

  std::optional<bool> flag() const;
  std::optional<std::uint64_t> count() const;  // a whole number that is not negative
  std::optional<double> number() const;        // any number

  // The value of `key`; nullptr when this is no object, has no such key, or has null there, which
  // the files that are read so write for what is not set.
  const JsonTree* find(std::string_view key) const;

  // For the reader and those who take texts out of a tree that they own.
  Value& value() { return value_; }

 private:
  Value value_;
};

struct JsonMember {
  std::string key;
  JsonTree value;
};

// Here, for it moves members, which are to be whole by then.
inline JsonTree::JsonTree(Value value) : value_(std::move(value)) {}

// Throws config::UserError, whose line begins with `name`, for what is no JSON, an object with a
// key twice, and what goes beyond the bounds of depth and count that json_tree.cpp states.
JsonTree read_json(std::string_view text, const std::string& name);

}  // namespace troupe::model

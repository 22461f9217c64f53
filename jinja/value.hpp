// What a template computes with: the values of Python that chat templates see. Strings, lists,
// tuples and dicts never change once made, as the sandbox of jinja2 demands; they are shared.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::jinja {

class Budget;
class Value;
class Object;
struct Dict;
using Items = std::vector<Value>;

struct Text {
  std::string bytes;       // UTF-8
  std::size_t length = 0;  // code points
  bool is_markup = false;  // passed through |safe or |escape: what is added to it gets escaped
};

enum class SequenceKind : std::uint8_t { kList, kTuple, kRange, kView, kGenerator };

struct Sequence {
  SequenceKind kind = SequenceKind::kList;
  Items items;
  std::size_t depth = 1;  // containers within containers, this one included
  std::string label;      // kRange: what it prints; kView: dict_items, dict_keys, dict_values
  std::size_t taken = 0;  // kGenerator: items that were consumed; it lives in one rendering only
};

// The result of a lookup that found nothing: prints as nothing, fails at most other uses.
struct Undefined {
  std::string message;  // what its use fails with
};

class Value {
 public:
  using Data = std::variant<std::monostate,
                            bool,
                            std::int64_t,
                            double,
                            std::shared_ptr<const Text>,
                            std::shared_ptr<Sequence>,
                            std::shared_ptr<const Dict>,
                            std::shared_ptr<Object>,
                            std::shared_ptr<const Undefined>>;

  Value() = default;  // None

  // Only bool itself: a pointer would become one otherwise.
  template <std::same_as<bool> T>
  Value(T value) : data_(value) {}  // NOLINT(google-explicit-constructor)

  Value(std::int64_t value) : data_(value) {}  // NOLINT(google-explicit-constructor)

  Value(double value) : data_(value) {}  // NOLINT(google-explicit-constructor)

  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}  // NOLINT

  static Value text(std::string bytes, bool is_markup = false);
  static Value undefined(std::string message);
  static Value sequence(SequenceKind kind, Items items, std::string label = {});

  static Value list(Items items) { return sequence(SequenceKind::kList, std::move(items)); }

  static Value tuple(Items items) { return sequence(SequenceKind::kTuple, std::move(items)); }

  static Value generator(Items items) {
    return sequence(SequenceKind::kGenerator, std::move(items));
  }

  static Value dict(Dict dict);

  static Value size(std::size_t size) { return static_cast<std::int64_t>(size); }

  bool is_none() const { return std::holds_alternative<std::monostate>(data_); }

  bool is_bool() const { return std::holds_alternative<bool>(data_); }

  bool is_float() const { return std::holds_alternative<double>(data_); }

  bool is_undefined() const { return as_undefined() != nullptr; }

  bool is_text() const { return as_text() != nullptr; }

  // Of type int, or bool, which is one in Python.
  bool is_integer() const { return is_bool() || std::holds_alternative<std::int64_t>(data_); }

  bool is_number() const { return is_integer() || is_float(); }

  // Only of an integer or a number.
  std::int64_t integer() const;
  double number() const;

  // Null when the value is something else.
  const Text* as_text() const { return get<const Text>(); }

  Sequence* as_sequence() const { return get<Sequence>(); }

  // Null also for a sequence of another kind.
  Sequence* as_sequence(SequenceKind kind) const;

  const Dict* as_dict() const { return get<const Dict>(); }

  Object* as_object() const { return get<Object>(); }

  const Undefined* as_undefined() const { return get<const Undefined>(); }

  // Python's name of the type.
  std::string type_name() const;
  // Of containers and of objects that hold some; 0 for others.
  std::size_t depth() const;
  // Python's `is`: the same object, or the same small constant.
  bool is_same_as(const Value& other) const;

 private:
  template <typename T>
  T* get() const {
    const auto* pointer = std::get_if<std::shared_ptr<T>>(&data_);
    return pointer == nullptr ? nullptr : pointer->get();
  }

  Data data_;  // std::monostate: None
};

// A mapping in the order of insertion.
struct Dict {
  // Replaces the value of an equal key, which keeps its place. Throws RenderError for a key that
  // cannot be hashed.
  void set(Budget& budget, const Value& key, Value value);
  // For what a rendering is given.
  void set(const Value& key, Value value);
  // Null when there is none.
  const Value* find(Budget& budget, const Value& key) const;
  const Value* find(Budget& budget, std::string_view key) const;

  std::vector<std::pair<Value, Value>> items;
  std::unordered_map<std::string, std::size_t> places;  // dict_key() of the key → index of items
  std::size_t depth = 1;
};

// Equal for values that Python holds equal and hashes alike. Throws RenderError for values that
// cannot be hashed.
std::string dict_key(Budget& budget, const Value& value);

}  // namespace troupe::jinja

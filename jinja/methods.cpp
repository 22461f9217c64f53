// Methods of lists, tuples and dicts, and how methods are found and called.
#include <algorithm>
#include <array>

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"

namespace troupe::jinja {
namespace {

class BoundMethod : public Object {
 public:
  BoundMethod(Value self, Method method) : self_(std::move(self)), method_(method) {}

  std::string type_name() const override { return "builtin_function_or_method"; }

  Value call(Runtime& runtime, Arguments arguments) override {
    return method_(runtime, self_, arguments);
  }

 private:
  Value self_;
  Method method_;
};

bool changes_list(std::string_view name) {
  constexpr std::array kNames{
      "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  return std::ranges::find(kNames, name) != kNames.end();
}

bool changes_dict(std::string_view name) {
  constexpr std::array kNames{"clear", "pop", "popitem", "setdefault", "update"};
  return std::ranges::find(kNames, name) != kNames.end();
}

bool is_forbidden(const Value& object, std::string_view name) {
  if (object.as_dict() != nullptr) return changes_dict(name);
  return object.as_sequence(SequenceKind::kList) != nullptr && changes_list(name);
}

Method find(const Value& object, std::string_view name) {
  if (object.as_dict() != nullptr) return find_dict_method(name);
  if (object.as_sequence() != nullptr) {
    const SequenceKind kind = object.as_sequence()->kind;
    const bool has = kind != SequenceKind::kView && kind != SequenceKind::kGenerator;
    if (name == "copy" && kind != SequenceKind::kList) return nullptr;
    return has ? find_sequence_method(name) : nullptr;
  }
  if (!object.is_text()) return nullptr;
  if (const Method method = find_text_method(name)) return method;
  if (const Method method = find_text_test_method(name)) return method;
  return find_text_layout_method(name);
}

Value get(Runtime&, const Value& self, Arguments& arguments) {
  const Parameters parameters("get", arguments, {"key", "default"}, 1);
  const Value* found = self.as_dict()->find(parameters.at(0));
  return found != nullptr ? *found : parameters.value_or(1, Value());
}

template <typename Take>
Value view(Runtime& runtime, const Value& self, const char* label, Take take) {
  runtime.budget.charge(self.as_dict()->items.size() * sizeof(Value));
  Items items;
  for (const auto& entry : self.as_dict()->items) items.push_back(take(entry));
  return Value::sequence(SequenceKind::kView, std::move(items), label);
}

Value items(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("items", arguments, {});
  return view(runtime, self, "dict_items", [](const auto& entry) {
    return Value::tuple({entry.first, entry.second});
  });
}

Value keys(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("keys", arguments, {});
  return view(runtime, self, "dict_keys", [](const auto& entry) { return entry.first; });
}

Value values(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("values", arguments, {});
  return view(runtime, self, "dict_values", [](const auto& entry) { return entry.second; });
}

Value copy(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("copy", arguments, {});
  runtime.budget.charge(length(self) * sizeof(Value));
  return self.as_dict() != nullptr ? Value::dict(*self.as_dict())
                                   : Value::list(self.as_sequence()->items);
}

Value count(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("count", arguments, {"value"}, 1);
  const Items all = iterate(runtime.budget, self);
  return Value::size(static_cast<std::size_t>(std::ranges::count_if(
      all, [&](const Value& item) { return equals(item, parameters.at(0)); })));
}

Value index(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("index", arguments, {"value"}, 1);
  const Items all = iterate(runtime.budget, self);
  const auto found =
      std::ranges::find_if(all, [&](const Value& item) { return equals(item, parameters.at(0)); });
  if (found == all.end()) {
    throw RenderError(repr(runtime.budget, parameters.at(0)) + " is not in " + self.type_name());
  }
  return static_cast<std::int64_t>(found - all.begin());
}

}  // namespace

std::optional<Value> find_method(const Value& object, std::string_view name) {
  const bool is_internal = name.starts_with("__") && name.ends_with("__") && name.size() > 4;
  if (is_internal && object.as_dict() != nullptr && object.as_dict()->find(name) != nullptr) {
    return std::nullopt;
  }
  if (is_forbidden(object, name) || is_internal) {
    return Value::undefined("access to attribute '" + std::string(name) + "' of '" +
                            object.type_name() + "' object is unsafe.");
  }
  const Method method = find(object, name);
  if (method == nullptr) return std::nullopt;
  return Value(std::make_shared<BoundMethod>(object, method));
}

Method find_sequence_method(std::string_view name) {
  static constexpr Named<Method> kMethods[] = {{"count", count}, {"index", index}, {"copy", copy}};
  return find_named(kMethods, name);
}

Method find_dict_method(std::string_view name) {
  static constexpr Named<Method> kMethods[] = {
      {"get", get}, {"items", items}, {"keys", keys}, {"values", values}, {"copy", copy}};
  return find_named(kMethods, name);
}

}  // namespace troupe::jinja

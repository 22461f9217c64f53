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

  std::size_t depth() const override { return self_.depth(); }

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

Value get(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("get", arguments, {"key", "default"}, 1);
  const Value* found = self.as_dict()->find(runtime.budget, parameters.at(0));
  return found != nullptr ? *found : parameters.value_or(1, Value());
}

template <typename Take>
Value view(Runtime& runtime, const Value& self, const char* label, Take take) {
  Items items;
  for (const auto& entry : self.as_dict()->items) push(runtime.budget, items, take(entry));
  return make_sequence(runtime.budget, SequenceKind::kView, std::move(items), label);
}

Value items(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters none("items", arguments, {});
  return view(runtime, self, "dict_items", [&](const auto& entry) {
    return make_tuple(runtime.budget, {entry.first, entry.second});
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

Value copy(Runtime&, const Value& self, Arguments& arguments) {
  const Parameters none("copy", arguments, {});
  // What never changes is its own copy.
  return self;
}

Value count(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("count", arguments, {"value"}, 1);
  const ItemView all(runtime.budget, self);
  const auto is_it = [&](const Value& one) {
    return equals(runtime.budget, one, parameters.at(0));
  };
  return static_cast<std::int64_t>(std::ranges::count_if(all, is_it));
}

Value index(Runtime& runtime, const Value& self, Arguments& arguments) {
  const Parameters parameters("index", arguments, {"value"}, 1);
  const ItemView all(runtime.budget, self);
  const auto is_it = [&](const Value& one) {
    return equals(runtime.budget, one, parameters.at(0));
  };
  const auto* found = std::ranges::find_if(all, is_it);
  if (found == all.end()) {
    throw RenderError(shortened(repr(runtime.budget, parameters.at(0))) + " is not in " +
                      self.type_name());
  }
  return static_cast<std::int64_t>(found - all.begin());
}

}  // namespace

std::optional<Value> find_method(Budget& budget, const Value& object, std::string_view name) {
  const bool is_internal = name.starts_with("__") && name.ends_with("__") && name.size() > 4;
  if (is_internal && object.as_dict() != nullptr &&
      object.as_dict()->find(budget, name) != nullptr) {
    return std::nullopt;
  }
  if (is_forbidden(object, name) || is_internal) {
    return make_undefined(budget,
                          "access to attribute '" + shortened(name) + "' of '" +
                              object.type_name() + "' object is unsafe.");
  }
  const Method method = find(object, name);
  if (method == nullptr) return std::nullopt;
  return make_object<BoundMethod>(budget, object, method);
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

#include "jinja/runtime.hpp"

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {
namespace {

std::string object_name(const Value& object) {
  return object.is_none() ? "None" : object.type_name() + " object";
}

Value no_attribute(Budget& budget, const Value& object, std::string_view name) {
  return make_undefined(budget,
                        "'" + object_name(object) + "' has no attribute '" + shortened(name) + "'");
}

// Arguments are copied for each item that a filter is mapped over, and looked through.
void charge_call(Budget& budget, const Arguments& arguments) {
  std::size_t bytes = (arguments.positional.size() + arguments.named.size()) * sizeof(Value);
  for (const auto& [name, value] : arguments.named) bytes += name.size();
  budget.charge_work(bytes);
}

// What Python finds by getattr(): methods, and what objects of ours have.
std::optional<Value> own_attribute(Budget& budget, const Value& object, std::string_view name) {
  if (Object* one = object.as_object()) return one->attribute(budget, name);
  return find_method(budget, object, name);
}

}  // namespace

Value Runtime::attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) fail_undefined(object);
  if (auto found = own_attribute(budget, object, name)) return *found;
  if (const Dict* dict = object.as_dict()) {
    const Value* found = dict->find(budget, name);
    if (found != nullptr) return *found;
  }
  return no_attribute(budget, object, name);
}

Value Runtime::subscript(const Value& object, const Value& key) {
  if (auto found = item(budget, object, key)) return *found;
  if (!key.is_text()) {
    return make_undefined(budget,
                          object_name(object) + " has no element " + shortened(repr(budget, key)));
  }
  if (auto found = own_attribute(budget, object, key.as_text()->bytes)) return *found;
  return no_attribute(budget, object, key.as_text()->bytes);
}

Value Runtime::call(const Value& callee, Arguments arguments) {
  if (callee.is_undefined()) fail_undefined(callee);
  if (callee.as_object() == nullptr) {
    throw RenderError("'" + callee.type_name() + "' object is not callable");
  }
  charge_call(budget, arguments);
  budget.enter();
  Value result = callee.as_object()->call(*this, std::move(arguments));
  budget.leave();
  return result;
}

Value Runtime::filter(const std::string& name, const Value& value, Arguments arguments) {
  const Filter function = find_filter(name);
  if (function == nullptr) throw RenderError("there is no filter '" + shortened(name) + "'");
  charge_call(budget, arguments);
  budget.enter();
  Value result = function(*this, value, arguments);
  budget.leave();
  return result;
}

bool Runtime::test(const std::string& name, const Value& value, Arguments arguments) {
  const Test function = find_test(name);
  if (function == nullptr) throw RenderError("there is no test '" + shortened(name) + "'");
  charge_call(budget, arguments);
  budget.enter();
  const bool result = function(*this, value, arguments);
  budget.leave();
  return result;
}

}  // namespace troupe::jinja

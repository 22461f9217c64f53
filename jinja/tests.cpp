// What may stand behind `is`.
#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"

namespace troupe::jinja {
namespace {

// A test that looks at the value alone.
template <bool (*kHolds)(const Value&)>
bool plain(Runtime&, const Value& value, Arguments& arguments) {
  const Parameters none("this test", arguments, {});
  return kHolds(value);
}

bool is_defined(const Value& value) { return !value.is_undefined(); }

bool is_undefined(const Value& value) { return value.is_undefined(); }

bool is_none(const Value& value) { return value.is_none(); }

bool is_boolean(const Value& value) { return value.is_bool(); }

bool is_exactly_true(const Value& value) { return value.is_bool() && value.integer() == 1; }

bool is_exactly_false(const Value& value) { return value.is_bool() && value.integer() == 0; }

bool is_exact_integer(const Value& value) { return value.is_integer() && !value.is_bool(); }

bool is_float(const Value& value) { return value.is_float(); }

bool is_number(const Value& value) { return value.is_number(); }

bool is_string(const Value& value) { return value.is_text(); }

bool is_mapping(const Value& value) { return value.as_dict() != nullptr; }

bool is_callable(const Value& value) {
  // An undefined value has __call__, which fails.
  return value.is_undefined() || (value.as_object() != nullptr && value.as_object()->is_callable());
}

bool is_iterable(const Value& value) {
  return value.is_text() || value.as_sequence() != nullptr || value.as_dict() != nullptr ||
         value.is_undefined();
}

bool is_sequence(const Value& value) {
  const Sequence* sequence = value.as_sequence();
  if (sequence == nullptr) {
    return value.is_text() || value.as_dict() != nullptr || value.is_undefined();
  }
  return sequence->kind != SequenceKind::kView && sequence->kind != SequenceKind::kGenerator;
}

bool is_escaped(const Value& value) { return value.is_text() && value.as_text()->is_markup; }

template <bool kOdd>
bool parity(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("odd", arguments, {});
  const Value rest = apply(runtime.budget, BinaryOperator::kModulo, value, std::int64_t{2});
  return equals(runtime.budget, rest, std::int64_t{kOdd ? 1 : 0});
}

bool divisibleby(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("divisibleby", arguments, {"num"}, 1);
  const Value rest = apply(runtime.budget, BinaryOperator::kModulo, value, parameters.at(0));
  return equals(runtime.budget, rest, std::int64_t{0});
}

template <bool kUpper>
bool has_case(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters none("upper", arguments, {});
  const Value text = make_text(runtime.budget, to_text(runtime.budget, value));
  return is_true(runtime.call(runtime.attribute(text, kUpper ? "isupper" : "islower"), {}));
}

// A test that compares with one argument.
template <bool (*kHolds)(Budget&, const Value&, const Value&)>
bool compared(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("this test", arguments, {"other"}, 1);
  return kHolds(runtime.budget, value, parameters.at(0));
}

bool differs(Budget& budget, const Value& left, const Value& right) {
  return !equals(budget, left, right);
}

bool is_greater(Budget& budget, const Value& left, const Value& right) {
  return is_less(budget, right, left);
}

bool is_greater_or_equal(Budget& budget, const Value& left, const Value& right) {
  return is_less_or_equal(budget, right, left);
}

bool is_same(Budget&, const Value& left, const Value& right) { return left.is_same_as(right); }

bool in(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Parameters parameters("in", arguments, {"seq"}, 1);
  return contains(runtime.budget, parameters.at(0), value);
}

bool filter_exists(Runtime&, const Value& value, Arguments& arguments) {
  const Parameters none("filter", arguments, {});
  return value.is_text() && find_filter(value.as_text()->bytes) != nullptr;
}

bool test_exists(Runtime&, const Value& value, Arguments& arguments) {
  const Parameters none("test", arguments, {});
  return value.is_text() && find_test(value.as_text()->bytes) != nullptr;
}

}  // namespace

Test find_test(std::string_view name) {
  static constexpr Named<Test> kTests[] = {{"defined", plain<is_defined>},
                                           {"undefined", plain<is_undefined>},
                                           {"none", plain<is_none>},
                                           {"boolean", plain<is_boolean>},
                                           {"true", plain<is_exactly_true>},
                                           {"false", plain<is_exactly_false>},
                                           {"integer", plain<is_exact_integer>},
                                           {"float", plain<is_float>},
                                           {"number", plain<is_number>},
                                           {"string", plain<is_string>},
                                           {"mapping", plain<is_mapping>},
                                           {"callable", plain<is_callable>},
                                           {"iterable", plain<is_iterable>},
                                           {"sequence", plain<is_sequence>},
                                           {"escaped", plain<is_escaped>},
                                           {"odd", parity<true>},
                                           {"even", parity<false>},
                                           {"divisibleby", divisibleby},
                                           {"upper", has_case<true>},
                                           {"lower", has_case<false>},
                                           {"in", in},
                                           {"filter", filter_exists},
                                           {"test", test_exists},
                                           {"sameas", compared<is_same>},
                                           {"eq", compared<equals>},
                                           {"equalto", compared<equals>},
                                           {"==", compared<equals>},
                                           {"ne", compared<differs>},
                                           {"!=", compared<differs>},
                                           {"lt", compared<is_less>},
                                           {"lessthan", compared<is_less>},
                                           {"<", compared<is_less>},
                                           {"le", compared<is_less_or_equal>},
                                           {"<=", compared<is_less_or_equal>},
                                           {"gt", compared<is_greater>},
                                           {"greaterthan", compared<is_greater>},
                                           {">", compared<is_greater>},
                                           {"ge", compared<is_greater_or_equal>},
                                           {">=", compared<is_greater_or_equal>}};
  return find_named(kTests, name);
}

}  // namespace troupe::jinja

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/evaluator.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {

Value Evaluator::evaluate(const Expression& node, const ScopePtr& scope, const Value* block) {
  runtime_.budget.step();
  runtime_.budget.enter();
  line_ = node.line;
  Value value = evaluate_kind(node, scope, block);
  runtime_.budget.leave();
  return value;
}

Value Evaluator::evaluate_kind(const Expression& node, const ScopePtr& scope, const Value* block) {
  const auto child = [&](std::size_t i) { return evaluate(*node.children[i], scope); };
  switch (node.kind) {
    case ExpressionKind::kConstant:
      return node.constant;
    case ExpressionKind::kName:
      return evaluate_name(node.name, scope);
    case ExpressionKind::kList:
      return make_list(runtime_.budget, evaluate_children(node, scope));
    case ExpressionKind::kTuple:
      return make_tuple(runtime_.budget, evaluate_children(node, scope));
    case ExpressionKind::kDict:
      return evaluate_dict(node, scope);
    case ExpressionKind::kAttribute:
      return runtime_.attribute(child(0), node.name);
    case ExpressionKind::kSubscript: {
      const Value container = child(0);
      return runtime_.subscript(container, child(1));
    }
    case ExpressionKind::kSlice:
      return evaluate_slice(node, scope);
    case ExpressionKind::kCall: {
      const Value callee = child(0);
      return runtime_.call(callee, evaluate_arguments(node.call, scope));
    }
    case ExpressionKind::kFilter:
      return evaluate_filter(node, scope, block);
    case ExpressionKind::kTest: {
      const Value value = child(0);
      return runtime_.test(node.name, value, evaluate_arguments(node.call, scope));
    }
    case ExpressionKind::kNot:
      return !is_true(child(0));
    case ExpressionKind::kNegate:
      return negate(child(0));
    case ExpressionKind::kPlus:
      return plus(child(0));
    case ExpressionKind::kAnd: {
      Value left = child(0);
      return is_true(left) ? child(1) : left;
    }
    case ExpressionKind::kOr: {
      Value left = child(0);
      return is_true(left) ? left : child(1);
    }
    case ExpressionKind::kBinary: {
      const Value left = child(0);
      return apply(runtime_.budget, node.binary, left, child(1));
    }
    case ExpressionKind::kConcat:
      return evaluate_concat(node, scope);
    case ExpressionKind::kCompare:
      return evaluate_compare(node, scope);
    case ExpressionKind::kConditional:
      return evaluate_conditional(node, scope);
    case ExpressionKind::kNamespaceRef:
      break;
  }
  return runtime_.attribute(evaluate_name(node.name, scope), node.attribute);
}

Value Evaluator::evaluate_or_none(const ExpressionPtr& node, const ScopePtr& scope) {
  return node == nullptr ? Value() : evaluate(*node, scope);
}

Value Evaluator::evaluate_name(const std::string& name, const ScopePtr& scope) {
  Budget& budget = runtime_.budget;
  if (const Value* found = scope->find(budget, name)) return *found;
  if (const Value* found = variables_.find(budget, name)) return *found;
  if (auto found = find_global(budget, name)) return *found;
  return make_undefined(budget, "'" + shortened(name) + "' is undefined");
}

Items Evaluator::evaluate_children(const Expression& node, const ScopePtr& scope) {
  Items items;  // make_list() and make_tuple() charge it
  items.reserve(node.children.size());
  for (const ExpressionPtr& child : node.children) items.push_back(evaluate(*child, scope));
  return items;
}

Value Evaluator::evaluate_dict(const Expression& node, const ScopePtr& scope) {
  Dict dict;
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const Value key = evaluate(*node.children[i], scope);
    dict.set(runtime_.budget, key, evaluate(*node.children[i + 1], scope));
  }
  return make_dict(runtime_.budget, std::move(dict));
}

Value Evaluator::evaluate_slice(const Expression& node, const ScopePtr& scope) {
  const Value container = evaluate(*node.children[0], scope);
  const Value begin = evaluate_or_none(node.children[1], scope);
  const Value end = evaluate_or_none(node.children[2], scope);
  return slice(runtime_.budget, container, begin, end, evaluate_or_none(node.children[3], scope));
}

Value Evaluator::evaluate_filter(const Expression& node,
                                 const ScopePtr& scope,
                                 const Value* block) {
  Value value;
  if (node.children[0] != nullptr) {
    value = evaluate(*node.children[0], scope, block);
  } else if (block != nullptr) {
    value = *block;
  }
  return runtime_.filter(node.name, value, evaluate_arguments(node.call, scope));
}

Value Evaluator::evaluate_concat(const Expression& node, const ScopePtr& scope) {
  TextBuilder text(runtime_.budget);
  for (const ExpressionPtr& child : node.children) append_text(text, evaluate(*child, scope));
  return make_text(runtime_.budget, text.take());
}

bool Evaluator::compare(Comparison comparison, const Value& left, const Value& right) {
  switch (comparison) {
    case Comparison::kEq:
      return equals(runtime_.budget, left, right);
    case Comparison::kNe:
      return !equals(runtime_.budget, left, right);
    case Comparison::kLt:
      return is_less(runtime_.budget, left, right);
    case Comparison::kLe:
      return is_less_or_equal(runtime_.budget, left, right);
    case Comparison::kGt:
      return is_less(runtime_.budget, right, left);
    case Comparison::kGe:
      return is_less_or_equal(runtime_.budget, right, left);
    case Comparison::kIn:
      return contains(runtime_.budget, right, left);
    case Comparison::kNotIn:
      break;
  }
  return !contains(runtime_.budget, right, left);
}

Value Evaluator::evaluate_compare(const Expression& node, const ScopePtr& scope) {
  Value left = evaluate(*node.children[0], scope);
  for (std::size_t i = 0; i < node.comparisons.size(); ++i) {
    Value right = evaluate(*node.children[i + 1], scope);
    if (!compare(node.comparisons[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Evaluator::evaluate_conditional(const Expression& node, const ScopePtr& scope) {
  if (is_true(evaluate(*node.children[0], scope))) return evaluate(*node.children[1], scope);
  if (node.children[2] != nullptr) return evaluate(*node.children[2], scope);
  return make_undefined(runtime_.budget,
                        "the inline if-expression on line " + std::to_string(node.line) +
                            " evaluated to false and no else section was defined.");
}

Arguments Evaluator::evaluate_arguments(const CallSyntax& call, const ScopePtr& scope) {
  Arguments arguments;
  for (const ExpressionPtr& one : call.positional) {
    arguments.positional.push_back(evaluate(*one, scope));
  }
  for (const auto& [name, value] : call.named) {
    arguments.named.emplace_back(name, evaluate(*value, scope));
  }
  if (call.star != nullptr) {
    for (const Value& item : ItemView(runtime_.budget, evaluate(*call.star, scope))) {
      push(runtime_.budget, arguments.positional, item);
    }
  }
  if (call.double_star == nullptr) return arguments;
  const Value more = evaluate(*call.double_star, scope);
  if (more.as_dict() == nullptr) throw RenderError("argument after ** must be a mapping");
  for (const auto& [name, value] : more.as_dict()->items) {
    if (!name.is_text()) throw RenderError("keywords must be strings");
    const std::string& bytes = name.as_text()->bytes;
    runtime_.budget.charge(2 * sizeof(arguments.named[0]) + bytes.size());
    arguments.named.emplace_back(bytes, value);
  }
  return arguments;
}

}  // namespace troupe::jinja
